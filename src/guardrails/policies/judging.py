"""What a call came to, by what came back; and whether another attempt could do harm, or help.

    Guard("search", classify=outcome_of)                     HTTP, LLM clients, Redis, databases
    Guard("zep", classify=by_status({404: SUCCESS}))         "no facts about this user" is an answer
    Retry(on=transient)      for what may happen twice       connections, timeouts, 429, 5xx
    Retry(on=untouched)      for everything                  it has not begun: no connection, or turned away
    Retry(on=rolled_back)    for whole transactions          the database has undone it: deadlock, serialization

No client is imported: errors are known by the names of their classes and packages, answers by their `status_code`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.core.ranges import Ranges
from guardrails.policies import answers, llm_errors, store_errors
from guardrails.policies.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_JUDGES: tuple[tuple[frozenset[str], Callable[[Any], Outcome | None]], ...] = (
    (llm_errors.FAMILIES, llm_errors.outcome_of_llm),
    (store_errors.REDIS, store_errors.outcome_of_redis),
    (store_errors.DATABASES, store_errors.outcome_of_database),
)


def outcome_of(what: Any) -> Outcome | None:
    """What an answer or an error says about the service that was called. For `Guard(classify=outcome_of)`.

    HTTP (whatever has a `status_code`, and the errors of httpx and httpx2): failure: no answer, a timeout, an answer
    cut short, 5xx but 501. Throttled: 429, and 503 or 529 with Retry-After. Ignored: other 4xx, 501, and errors of the
    client's own making, such as a full connection pool. Success: the rest.
    openai, anthropic, litellm: see `guardrails.policies.llm_errors`. redis, valkey, SQLAlchemy, Django's database,
    psycopg, asyncpg, sqlite3: see `guardrails.policies.store_errors`.
    None for everything else: the guard's own rule holds.
    """
    said = getattr(what, "outcome", None)
    if isinstance(said, Outcome):
        return said
    if isinstance(what, BaseException):
        packages = {kind.__module__.partition(".")[0] for kind in type(what).__mro__}
        for families, judge in _JUDGES:
            if not families.isdisjoint(packages):
                return judge(what) or answers.outcome_of_answer(what)
    return answers.outcome_of_answer(what)


def by_status(
    said: Mapping[int, Outcome], otherwise: Callable[[Any], Outcome | None] = outcome_of
) -> Callable[[Any], Outcome | None]:
    """A classifier for a service whose statuses say something of their own: `by_status({404: SUCCESS})`.

    `said`: status, 100 to 599, to Outcome; for answers and for the errors that clients make of them. A 404 that
    is expected is a success: it ends a row of failures, and closes a circuit that is on trial. `otherwise`: the
    classifier for everything else, default `outcome_of`. Raises ConfigError, a ValueError, that lists every mistake.
    """
    ranges = Ranges()
    for status, outcome in said.items():
        ranges.number("said", status, 100, 599, "write a status such as 404", whole=True)
        told: object = outcome
        fix = "write SUCCESS, FAILURE, IGNORED or throttled()"
        ranges.demand(isinstance(told, Outcome), "said", outcome, "an Outcome", fix)
    ranges.settle()
    chosen = dict(said)

    def classify(what: Any) -> Outcome | None:
        status = answers.status_of(what)
        return chosen[status] if status in chosen else otherwise(what)

    return classify


def transient(what: Any) -> bool:
    """Whether another attempt may go well: for `Retry(on=transient)`, where nothing is lost if it happens twice.

    What `outcome_of` calls a failure or throttled, the builtin ConnectionError and TimeoutError, and a name that was
    not found. Not an answer that nobody could read, nor one with `x-should-retry: false`, which LLM providers send.
    """
    outcome = outcome_of(what)
    if outcome is None:
        return isinstance(what, ConnectionError | TimeoutError) or _nobody_there(what)
    if outcome.kind not in ("failure", "throttled"):
        return False
    unreadable = "APIResponseValidationError" in answers.kinds_of(what, llm_errors.FAMILIES)
    return not unreadable and answers.headers_of(what).get("x-should-retry", "").lower() != "false"


def untouched(what: Any) -> bool:
    """Whether nothing has happened over there: for `Retry(on=untouched)`, safe for writes too.

    The connection was refused or could not be made, or the server turned the request away before it began: 429, 503
    with Retry-After, a Redis that is still loading.
    """
    outcome = outcome_of(what)
    if outcome is not None and outcome.kind != "failure":
        return outcome.kind == "throttled"
    loading = "BusyLoadingError" in answers.kinds_of(what, store_errors.REDIS)
    return loading or (isinstance(what, BaseException) and any(map(_nobody_there, store_errors.causes(what))))


def rolled_back(what: Any) -> bool:
    """Whether the database has undone the transaction itself: a deadlock (40P01) or a serialization failure (40001).

    For `Retry(on=rolled_back)` around the whole transaction: a statement that is repeated alone would fail again.
    """
    return isinstance(what, BaseException) and store_errors.sqlstate_of(what) in store_errors.ROLLED_BACK


def _nobody_there(what: object) -> bool:
    kinds = answers.kinds_of(what, answers.FAMILIES)
    # `socket` is not imported for the name of one class.
    unknown = answers.kinds_of(what, ("socket",)) & {"gaierror"}
    return isinstance(what, ConnectionRefusedError) or bool(unknown or kinds & {"ConnectError", "ConnectTimeout"})
