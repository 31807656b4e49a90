"""Encode anything; lose nothing silently.

dumps(obj)                      JSON in UTF-8; what it cannot keep is marked and reported
encode(obj).report.entries      what could not be kept: path, reason, type, action
explain(obj)                    the same as a linter would say it
register(Money, encode)         types of your own

value ── orjson, nothing called back ── clean ──────────────────────► bytes
               │ fails
               ├── halve, keep the good halves, mend a few ─────────► bytes + report
               ├── copy what is simple, mark what is opaque ─────────► bytes + report
               └── walker: any graph, bounded, every case ───────────► bytes + report

The first lane trusts the caller's value: nothing changes it meanwhile, its lists are not nested over a hundred deep
(orjson writes past its buffer), no time zone written in Python fails (orjson dies of it), as JSON it fits into memory,
and what is wrapped in `orjson.Fragment` is valid. `shared=True` trusts nothing: for what came from outside.
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
