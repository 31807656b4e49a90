"""The gate: finds what would break a deployment, and says where, why, the fix and the proof of the fix.

Static checks read the project's source and execute nothing of it. `run_gate(path)` is the way in.
"""

from guardrails.preflight.engine import run_gate
from guardrails.preflight.families import catalogue, find_rules
from guardrails.preflight.record import write_record
from guardrails.preflight.rule import Rule

__all__ = ["Rule", "catalogue", "find_rules", "run_gate", "write_record"]
