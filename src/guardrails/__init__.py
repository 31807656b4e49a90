"""Guard it, gate it, prove it: what keeps an AI-agent backend up.

The front door. Names are loaded at first use from an explicit table, so `import guardrails` costs
next to nothing; the table is hidden from type checkers, which see the real imports and so still
catch a misspelt name. Why: docs/decisions/0002-lazy-front-door.md
"""

# A local constant: importing it from `typing` would double the cost of this module.
TYPE_CHECKING = False

__version__ = "0.1.0"

if TYPE_CHECKING:
    from guardrails.clock import Clock, SystemClock
    from guardrails.config import Config, load_config
    from guardrails.errors import (
        AttemptTimeout,
        CircuitOpen,
        ConfigError,
        DeadlineExceeded,
        GitError,
        GuardrailsError,
        InterpreterError,
        NotAProject,
        Rejected,
        UnknownRule,
    )
    from guardrails.evidence import Evidence, Finding, GateRecord, Rung, Severity, Waiver
    from guardrails.hooks import emit, listen
    from guardrails.policies import AdaptiveLimit, Breaker, Bulkhead, Dependency, Guard, Hedge, RateLimit, Retry
    from guardrails.preflight import run_gate
    from guardrails.redact import Redactor, redacted
else:
    _HOMES = {
        "Clock": "clock",
        "SystemClock": "clock",
        "Config": "config",
        "load_config": "config",
        "AttemptTimeout": "errors",
        "CircuitOpen": "errors",
        "ConfigError": "errors",
        "DeadlineExceeded": "errors",
        "GitError": "errors",
        "GuardrailsError": "errors",
        "InterpreterError": "errors",
        "NotAProject": "errors",
        "Rejected": "errors",
        "UnknownRule": "errors",
        "Evidence": "evidence",
        "Finding": "evidence",
        "GateRecord": "evidence",
        "Rung": "evidence",
        "Severity": "evidence",
        "Waiver": "evidence",
        "emit": "hooks",
        "listen": "hooks",
        "AdaptiveLimit": "policies",
        "Breaker": "policies",
        "Bulkhead": "policies",
        "Dependency": "policies",
        "Guard": "policies",
        "Hedge": "policies",
        "RateLimit": "policies",
        "Retry": "policies",
        "run_gate": "preflight",
        "Redactor": "redact",
        "redacted": "redact",
    }

    def __getattr__(name):
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'guardrails' has no attribute {name!r}")
        # __import__ rather than importlib: the latter is not loaded in a bare interpreter.
        module = __import__(f"guardrails.{home}", fromlist=[name])
        value = globals()[name] = getattr(module, name)
        return value

    def __dir__():
        return sorted({*globals(), *_HOMES})


__all__ = [
    "AdaptiveLimit",
    "AttemptTimeout",
    "Breaker",
    "Bulkhead",
    "CircuitOpen",
    "Clock",
    "Config",
    "ConfigError",
    "DeadlineExceeded",
    "Dependency",
    "Evidence",
    "Finding",
    "GateRecord",
    "GitError",
    "Guard",
    "GuardrailsError",
    "Hedge",
    "InterpreterError",
    "NotAProject",
    "RateLimit",
    "Redactor",
    "Rejected",
    "Retry",
    "Rung",
    "Severity",
    "SystemClock",
    "UnknownRule",
    "Waiver",
    "emit",
    "listen",
    "load_config",
    "redacted",
    "run_gate",
]
