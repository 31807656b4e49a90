"""What users hold: a guard around a dependency, for sync and async callers in one object.

from guardrails import Breaker, Guard, Retry
search = Guard("search", timeout=5, attempt_timeout=2, retry=Retry(on=ConnectionError), breaker=Breaker(window=60))

guard       the object itself                      settings    Retry, Budget, Bulkhead: what a user says
wrapping    decorating, by kind of callable        calls, streams, coroutines, permit: the shells, one a kind
engine      state, lock, what is off the way       operation   deadline, attempts, the timer
handed      what nested guards are told            outcomes    success, failure, ignored, throttled
waiting     the queue before a bulkhead            tasks       what needs asyncio
keys, living: which guards there are
dependency  one service, its reads and writes      answering   fallbacks, and the account of a call
"""

from guardrails.core.backoff import Backoff
from guardrails.core.settings import Breaker
from guardrails.policies.guard import Guard, GuardSnapshot, guards
from guardrails.policies.handed import remaining
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS, Outcome, throttled
from guardrails.policies.permit import Permit
from guardrails.policies.settings import Budget, Bulkhead, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guardrails.policies.answering import Answer
    from guardrails.policies.dependency import Dependency, DependencySnapshot
else:
    # At first use: whoever wants a Guard alone must not wait for them.
    def __getattr__(name):
        if name not in ("Answer", "Dependency", "DependencySnapshot"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from guardrails.policies import answering, dependency

        value = globals()[name] = getattr(answering if name == "Answer" else dependency, name)
        return value


__all__ = [
    "FAILURE",
    "IGNORED",
    "SUCCESS",
    "Answer",
    "Backoff",
    "Breaker",
    "Budget",
    "Bulkhead",
    "Dependency",
    "DependencySnapshot",
    "Guard",
    "GuardSnapshot",
    "Outcome",
    "Permit",
    "Retry",
    "guards",
    "remaining",
    "throttled",
]
