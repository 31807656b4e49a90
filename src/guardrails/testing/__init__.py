"""What users need to test code that is guarded, and their own resilience.

from guardrails.testing import disabled, reset, virtual_time
with disabled(): ...                     guards call straight through
with virtual_time() as clock: ...        guards behave in full, and their waits take no time
reset()                                  every guard as it was made

off, through    the off switch                 virtual        virtual time, as new
clock           time and chance in hand        respx_faults   what real servers do badly, for respx
faults          an LLM server with any fault at any byte: FaultServer, on the wires of fault_wires, by fault_plans
stand_in        what such a server says that repeats what it was told, and goes on where it was cut
toxics          a bad network in front of any TCP service: FaultProxy; it and FaultServer are `serving` in a thread

With pytest: the fixtures `guards_disabled`, `guards_reset`, `guards_clock` and `fault_server`, of the plugin
`pytest_guardrails`.
"""

from guardrails.testing.clock import VirtualClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guardrails.testing.faults import Fault, FaultServer, Reply, Tool
    from guardrails.testing.off import disabled
    from guardrails.testing.virtual import reset, virtual_time
else:
    # At first use: whoever wants a clock must not load the guards.
    _HOMES = {
        "Fault": "faults",
        "FaultServer": "faults",
        "Reply": "faults",
        "Tool": "faults",
        "disabled": "off",
        "reset": "virtual",
        "virtual_time": "virtual",
    }

    def __getattr__(name):
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = __import__(f"guardrails.testing.{home}", fromlist=[name])
        value = globals()[name] = getattr(module, name)
        return value


__all__ = ["Fault", "FaultServer", "Reply", "Tool", "VirtualClock", "disabled", "reset", "virtual_time"]
