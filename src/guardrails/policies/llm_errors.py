"""What an error of an LLM client says about the provider: openai, anthropic, and litellm, which builds on openai's.

    no connection, no answer in time, 408, 5xx, an answer that is none     failure
    429, overloaded (529, or in the middle of a stream)                    throttled
    a bad request, a wrong key, a filter, an empty account                 ignored: the next request may be well
    an answer that was cut by its length or by a filter                    success: the provider has answered

An empty account (`insufficient_quota`, a 429) is not the provider's fault and no wait ends it. So it is not tried
again, and opens nothing: the error that says what to do reaches every caller, and tenants with keys of their own go on.
"""

from __future__ import annotations

from typing import Any

from guardrails.errors import Rejected
from guardrails.policies.answers import kinds_of, outcome_of_answer, outcome_of_status, status_of
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS, Outcome, throttled

FAMILIES = frozenset({"anthropic", "litellm", "openai"})

# What the body names as `code` or `type`.
UNPAID = frozenset({"billing_error", "billing_hard_limit_reached", "billing_not_active", "insufficient_quota"})
BUSY = frozenset({"overloaded_error", "rate_limit_error", "rate_limit_exceeded"})
OWN = frozenset(
    {
        "authentication_error",
        "content_filter",
        "content_policy_violation",
        "context_length_exceeded",
        "invalid_request_error",
        "not_found_error",
        "permission_error",
        "request_too_large",
    }
)
ANSWERED = {"ContentFilterFinishReasonError", "LengthFinishReasonError"}


def outcome_of_llm(error: Any) -> Outcome | None:
    """See above. None: no error of theirs."""
    kinds = kinds_of(error, FAMILIES)
    if kinds & ANSWERED:
        return SUCCESS
    if "APIConnectionError" in kinds:
        return _outcome_of_cause(error.__cause__)
    if "APIResponseValidationError" in kinds or "WebSocketConnectionClosedError" in kinds:
        return FAILURE
    body = getattr(error, "body", None)
    said = [getattr(error, name, None) for name in ("code", "type")]
    # litellm's own attributes say less than what the provider has sent.
    said += [body.get(name) for name in ("code", "type")] if isinstance(body, dict) else []
    codes = {code for code in said if isinstance(code, str)}
    # litellm's own limits, set by whoever runs it.
    limited = str(getattr(error, "category", "")).startswith("litellm_")
    if codes & UNPAID or limited or "BudgetExceededError" in kinds:
        return IGNORED
    status = status_of(error)
    if status is not None and status >= 400:
        # 408: the provider did not get to the end of it in time.
        return FAILURE if status == 408 else outcome_of_status(status, error)
    if "APIError" in kinds:
        # In the middle of a stream there is no status, or that of its beginning.
        return IGNORED if codes & OWN else throttled() if codes & BUSY else FAILURE
    # A missing key, credentials that cannot be read.
    return IGNORED if kinds & {"AnthropicError", "OpenAIError"} else None


def _outcome_of_cause(cause: BaseException | None) -> Outcome:
    """A full pool, or a guard in the client's transport, says nothing about the provider."""
    ours = isinstance(cause, Rejected) or outcome_of_answer(cause) == IGNORED
    return IGNORED if ours else FAILURE
