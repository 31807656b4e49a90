"""What users hold: a guard around a dependency, for sync and async callers in one object.

from guardrails import Breaker, Guard, Retry
search = Guard("search", timeout=5, attempt_timeout=2, retry=Retry(on=ConnectionError), breaker=Breaker(window=60))

guard       the object itself                      settings    Retry, Budget, Bulkhead: what a user says
wrapping    decorating, by kind of callable        calls, streams, coroutines, permit: the shells, one a kind
engine      state, lock, what is off the way       operation   deadline, attempts, the timer
handed      what nested guards are told            outcomes    success, failure, ignored, throttled
waiting     for a place, and for one's turn        tasks       what needs asyncio
limits      RateLimit, AdaptiveLimit, Hedge        hedging     a second call where the first is late
keys, living: which guards there are
dependency  one service, its reads and writes      answering   fallbacks, and the account of a call
presets     choices for LLM, HTTP, memory, SQL     configured  guards by file and environment, by the schema
judging     what an answer or an error says: HTTP in answers, LLM clients in llm_errors, the rest in store_errors
"""

from guardrails.core.backoff import Backoff
from guardrails.core.settings import Breaker
from guardrails.policies.guard import Guard, GuardSnapshot, guards
from guardrails.policies.handed import remaining, retried, taking
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS, Outcome, throttled
from guardrails.policies.permit import Permit
from guardrails.policies.settings import Budget, Bulkhead, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guardrails.policies.answering import Answer
    from guardrails.policies.configured import Configured, configure
    from guardrails.policies.dependency import Dependency, DependencySnapshot
    from guardrails.policies.judging import by_status, outcome_of, rolled_back, transient, untouched
    from guardrails.policies.limits import AdaptiveLimit, Hedge, RateLimit
else:
    # At first use: whoever wants a Guard alone must not wait for them.
    _HOMES = {
        "AdaptiveLimit": "limits",
        "Hedge": "limits",
        "RateLimit": "limits",
        "Answer": "answering",
        "Configured": "configured",
        "Dependency": "dependency",
        "DependencySnapshot": "dependency",
        "by_status": "judging",
        "configure": "configured",
        "outcome_of": "judging",
        "rolled_back": "judging",
        "transient": "judging",
        "untouched": "judging",
    }

    def __getattr__(name):
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = __import__(f"guardrails.policies.{home}", fromlist=[name])
        value = globals()[name] = getattr(module, name)
        return value


__all__ = [
    "FAILURE",
    "IGNORED",
    "SUCCESS",
    "AdaptiveLimit",
    "Answer",
    "Backoff",
    "Breaker",
    "Budget",
    "Bulkhead",
    "Configured",
    "Dependency",
    "DependencySnapshot",
    "Guard",
    "GuardSnapshot",
    "Hedge",
    "Outcome",
    "Permit",
    "RateLimit",
    "Retry",
    "by_status",
    "configure",
    "guards",
    "outcome_of",
    "remaining",
    "retried",
    "rolled_back",
    "taking",
    "throttled",
    "transient",
    "untouched",
]
