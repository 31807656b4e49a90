"""The choices of the presets; why each is as it is stands at `Guard.for_llm`, `for_http`, `for_memory`, `for_sql`.

What the caller names replaces a choice, and the breaker's permits are made to outlast the longest attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.backoff import Backoff
from guardrails.core.settings import Breaker
from guardrails.policies.judging import outcome_of, transient, untouched
from guardrails.policies.settings import Retry, fitted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.policies.dependency import Both

    class Changes(Both, total=False):
        """What a preset may be told instead of its own choice; see `Guard`."""

        most_keys: int


# Of a memory store: a read may happen twice.
READ_AGAIN = Retry(transient, attempts=2, backoff=Backoff(longest_retry_after=2.0))


def llm(changes: Mapping[str, Any]) -> dict[str, Any]:
    """For a provider of language models."""
    return _chosen(
        changes,
        timeout=300.0,
        attempt_timeout=60.0,
        retry=Retry(transient, attempts=3, within=120.0, backoff=Backoff(base=0.5, cap=8.0, longest_retry_after=30.0)),
        breaker=Breaker(window=60.0, consecutive=5, cooldown=5.0),
    )


def http(changes: Mapping[str, Any]) -> dict[str, Any]:
    """For a service behind HTTP."""
    return _chosen(
        changes,
        timeout=10.0,
        attempt_timeout=5.0,
        retry=Retry(untouched, attempts=3, backoff=Backoff(longest_retry_after=5.0)),
        breaker=Breaker(),
    )


def memory(changes: Mapping[str, Any]) -> dict[str, Any]:
    """For a memory store or a cache."""
    return _chosen(
        changes,
        timeout=5.0,
        attempt_timeout=2.0,
        retry=Retry(untouched, attempts=2, backoff=Backoff(longest_retry_after=2.0)),
        breaker=Breaker(consecutive=5),
    )


def sql(changes: Mapping[str, Any]) -> dict[str, Any]:
    """For a database."""
    return _chosen(changes, timeout=10.0, breaker=Breaker())


def _chosen(changes: Mapping[str, Any], **choices: Any) -> dict[str, Any]:
    chosen = {"classify": outcome_of, **choices, **changes}
    if "timeout" in changes and "attempt_timeout" not in changes:
        chosen["attempt_timeout"] = _shorter(chosen.get("attempt_timeout"), changes["timeout"])
    if "breaker" not in changes:
        chosen["breaker"] = fitted(chosen["breaker"], chosen["timeout"], chosen.get("attempt_timeout"))
    return chosen


def _shorter(ours: float | None, theirs: object) -> float | None:
    """Our attempts end within the time that the caller gives the whole; what is no number is reported by the guard."""
    return None if ours is not None and isinstance(theirs, int | float) and theirs < ours else ours
