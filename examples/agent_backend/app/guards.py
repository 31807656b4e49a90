"""What the service leans on, and how much of its trouble it takes.

`AGENT_GUARDS=off` takes the limits away, for comparison under load; what each caller falls back on stays, and half an
answer is still told from a whole one.
"""

import os

from guardrails import Breaker, Bulkhead, Dependency, Guard
from guardrails.llm import StreamPolicy
from guardrails.middleware.httpx import outcome_of
from guardrails.policies import Budget

ON = os.environ.get("AGENT_GUARDS", "on") != "off"

# It answers within milliseconds, and an answer without memories is better than a late one.
memory = Dependency(
    "memory",
    attempt_timeout=0.5,
    breaker=Breaker(consecutive=5, cooldown=1, cooldown_cap=5),
    classify=outcome_of,
)

# `attempt_timeout` ends with the first word of an answer, `timeout` with the last.
llm = Guard.for_llm("llm", attempt_timeout=30, timeout=120, retry=None, bulkhead=Bulkhead(200))
# What breaks off is asked for again here, and nowhere else. That may cost one more request an answer, not one in ten: a
# proxy that cuts long answers cuts all of them.
streams = StreamPolicy(first_token=10, idle=15, budget=Budget(ratio=1))

if not ON:
    streams = StreamPolicy(on_fault=())
    for guard in (memory.read.guard, memory.write.guard, llm):
        guard.update(attempt_timeout=None, timeout=None, breaker=None, bulkhead=None)
