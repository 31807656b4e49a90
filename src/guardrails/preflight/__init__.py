"""The gate: finds what would break a deployment, and says where, why, the fix and the proof of the fix.

Static checks read the project's source and execute nothing of it. `run_gate(path)` is the way in. A project writes
checks of its own with `check`, `ok`, `fail`, `skip` and `Context`: docs/guides/own-checks.md. Names are loaded at first
use, because those five start with every process that runs such checks, and the gate itself is large.
"""

# A local constant: importing it from `typing` would cost more than this module.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from guardrails.preflight.engine import run_gate
    from guardrails.preflight.families import catalogue, find_rules
    from guardrails.preflight.plugins import Answer, Context, check, fail, ok, skip
    from guardrails.preflight.record import write_record
    from guardrails.preflight.rule import Rule
else:
    _HOMES = {
        "run_gate": "engine",
        "catalogue": "families",
        "find_rules": "families",
        "Answer": "plugins",
        "Context": "plugins",
        "check": "plugins",
        "fail": "plugins",
        "ok": "plugins",
        "skip": "plugins",
        "write_record": "record",
        "Rule": "rule",
    }

    def __getattr__(name):
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(__import__(f"{__name__}.{home}", fromlist=[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *_HOMES})


__all__ = [
    "Answer",
    "Context",
    "Rule",
    "catalogue",
    "check",
    "fail",
    "find_rules",
    "ok",
    "run_gate",
    "skip",
    "write_record",
]
