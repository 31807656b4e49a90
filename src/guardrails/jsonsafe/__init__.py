"""Encode anything; lose nothing silently.

dumps(obj)                      JSON in UTF-8; what it cannot keep is marked and reported
encode(obj).report.entries      what could not be kept: path, reason, type, action
explain(obj)                    the same as a linter would say it
register(Money, encode)         types of your own

value ── orjson, no callback ── clean ──────────────────────────────► bytes
               │ fails
               ├── halve, keep the good halves, mend a few ─────────► bytes + report
               └── walker: copy, simplify, mark ── orjson or json ──► bytes + report

Known faults of orjson reach the first lane: a cycle through a tuple, or tuples thousands deep, crash the process,
and a `datetime.time` of 10,000 to 99,999 microseconds is written wrong. `shared=True` always takes the walker and is
free of them; use it for values that you did not build.
"""

from guardrails.errors import EncodeError
from guardrails.jsonsafe.encoder import Encoder
from guardrails.jsonsafe.registry import SHARED, Registry
from guardrails.jsonsafe.report import Encoded, Entry, Report
from guardrails.jsonsafe.seams import Formatter, JSONEncoder, default

_shared = Encoder(SHARED)
dumps = _shared.dumps
dumps_str = _shared.dumps_str
encode = _shared.encode
explain = _shared.explain
loads = _shared.loads
register = SHARED.register

__all__ = [
    "EncodeError",
    "Encoded",
    "Encoder",
    "Entry",
    "Formatter",
    "JSONEncoder",
    "Registry",
    "Report",
    "default",
    "dumps",
    "dumps_str",
    "encode",
    "explain",
    "loads",
    "register",
]
