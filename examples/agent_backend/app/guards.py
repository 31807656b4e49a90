"""What the service leans on, and how much of its trouble it takes.

`AGENT_GUARDS=off` takes the limits away, for comparison under load; what each caller falls back on stays.
"""

import os

from guardrails import Breaker, Bulkhead, Dependency, Guard
from guardrails.middleware.httpx import outcome_of

ON = os.environ.get("AGENT_GUARDS", "on") != "off"

# It answers within milliseconds, and an answer without memories is better than a late one.
memory = Dependency(
    "memory",
    attempt_timeout=0.5,
    breaker=Breaker(consecutive=5, cooldown=1, cooldown_cap=5),
    classify=outcome_of,
)

# `attempt_timeout` ends with the first word of an answer, `timeout` with the last.
llm = Guard("llm", attempt_timeout=10, timeout=120, bulkhead=Bulkhead(200))

if not ON:
    for guard in (memory.read.guard, memory.write.guard, llm):
        guard.update(attempt_timeout=None, timeout=None, breaker=None, bulkhead=None)
