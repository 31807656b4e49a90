"""HTTP under guard to the last byte of the body: one class factory for httpx and httpx2, told apart by duck type.

    request ── guard of its host ── refused ────────────────────────────────────► CircuitOpen, BulkheadFull
                     │ ▲ again: idempotent, can be sent twice, no byte handed out
                     ▼ │
                the transport ──── no answer, or a status that is a failure ────► settled: failure, throttled
                     │
                the answer ──────── read to its end ────────────────────────────► settled: success, ignored (4xx)
                                    breaks in the middle ───────────────────────► settled: failure
                                    closed early, or forgotten ─────────────────► settled: ignored

outgoing    timeouts and headers of a request      exchange    one request with all its attempts
transport   the classes that clients hold          families    made for httpx or httpx2
What an answer says: `guardrails.policies.answers`.

Users' names: `guardrails.middleware.httpx`.
"""

from guardrails.http.outgoing import DEADLINE_HEADER, RETRY_OWNER, RETRY_OWNER_HEADER
from guardrails.http.transport import IDEMPOTENT, Classify, Guards, transport_class
from guardrails.policies import outcome_of
from guardrails.policies.answers import retry_after

__all__ = [
    "DEADLINE_HEADER",
    "IDEMPOTENT",
    "RETRY_OWNER",
    "RETRY_OWNER_HEADER",
    "Classify",
    "Guards",
    "outcome_of",
    "retry_after",
    "transport_class",
]
