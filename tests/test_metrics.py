"""What is emitted is what Prometheus reads; and no way of counting it harms the call that emitted."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strictly_parsed
from prometheus_client.parser import text_string_to_metric_families as parsed

from guardrails import Breaker, Bulkhead, ConfigError, Guard, hooks, metrics
from guardrails.core.breaker import Circuit
from guardrails.hooks import emit
from guardrails.testing.clock import VirtualClock
from tests.support import ROOT, SRC, need

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = ROOT / "docs" / "guides" / "metrics.md"
NAMES = {one.name: one for one in metrics.EXPORTED}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorRegistry]:
    """A registry of its own, to which all that is emitted goes."""
    monkeypatch.setattr(hooks, "_listeners", ())
    fresh = CollectorRegistry()
    end = metrics.install(fresh)
    yield fresh
    end()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"guardrails_{name}", labels)


def call(guard: str = "db", outcome: str = "success", times: float = 1.0) -> None:
    emit("calls_total", times, {"guard": guard, "outcome": outcome})


def moved(guard: str, before: str, after: str) -> None:
    emit("breaker_transitions_total", 1.0, {"guard": guard, "before": before, "after": after})


# Counting.


def test_what_is_emitted_is_counted_under_its_name_and_labels(registry: CollectorRegistry) -> None:
    call()
    call(outcome="failure", times=2.5)
    call()
    assert value(registry, "calls_total", guard="db", outcome="success") == 2.0
    assert value(registry, "calls_total", guard="db", outcome="failure") == 2.5


def test_labels_may_come_in_any_order(registry: CollectorRegistry) -> None:
    emit("calls_total", 1.0, {"outcome": "success", "guard": "db"})
    call()
    assert value(registry, "calls_total", guard="db", outcome="success") == 2.0


def test_a_metric_with_one_label_is_counted(registry: CollectorRegistry) -> None:
    emit("gate_runs_total", labels={"verdict": "passed"})
    emit("gate_runs_total", labels={"verdict": "passed"})
    assert value(registry, "gate_runs_total", verdict="passed") == 2.0


def test_a_second_install_for_the_same_registry_changes_nothing(registry: CollectorRegistry) -> None:
    assert metrics.install(registry) == metrics.install(registry)
    call()
    assert value(registry, "calls_total", guard="db", outcome="success") == 1.0


def test_two_registries_hear_the_same(registry: CollectorRegistry) -> None:
    other = CollectorRegistry()
    end = metrics.install(other)
    call()
    end()
    call()
    assert value(other, "calls_total", guard="db", outcome="success") is None
    assert value(registry, "calls_total", guard="db", outcome="success") == 2.0


def test_the_default_is_the_registry_of_prometheus_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_listeners", ())
    end = metrics.install()
    call()
    assert value(REGISTRY, "calls_total", guard="db", outcome="success") == 1.0
    assert metrics.registry_to_serve() is REGISTRY
    end()
    assert value(REGISTRY, "calls_total", guard="db", outcome="success") is None


def test_who_has_ended_may_install_again_and_an_old_end_ends_nothing(registry: CollectorRegistry) -> None:
    end = metrics.install(registry)
    end()
    call()
    again = metrics.install(registry)
    end()
    call()
    assert value(registry, "calls_total", guard="db", outcome="success") == 1.0
    again()
    assert list(registry.collect()) == []
    assert hooks._listeners == ()


def test_a_registry_with_a_metric_of_the_same_name_is_refused_and_nobody_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "_listeners", ())
    mine = CollectorRegistry()
    Counter("guardrails_calls_total", "Mine.", registry=mine)
    with pytest.raises(ValueError, match="guardrails_calls"):
        metrics.install(mine)
    assert hooks._listeners == ()


def test_a_name_that_is_not_exported_is_counted_without_it(registry: CollectorRegistry) -> None:
    for number in range(500):
        emit(f"mine_{number}", -7.0, {"x": "y"})
    assert value(registry, "unknown_events_total") == 500.0
    assert b"mine" not in generate_latest(registry)


def test_too_many_values_of_a_label_become_other_and_are_counted(registry: CollectorRegistry) -> None:
    for number in range(metrics.MOST_VALUES):
        call(f"tenant {number}")
    before = len(generate_latest(registry))
    for number in range(1000):
        call(f"late {number}")
        emit("rejections_total", 1.0, {"guard": f"late {number}", "reason": "open"})
    call("tenant 7")
    assert value(registry, "calls_total", guard="tenant 7", outcome="success") == 2.0
    assert value(registry, "calls_total", guard="other", outcome="success") == 1000.0
    assert value(registry, "rejections_total", guard="other", reason="open") == 1000.0
    assert value(registry, "label_overflows_total", label="guard") == 2000.0
    assert len(generate_latest(registry)) - before < 1000


def test_values_beyond_the_bound_take_no_memory(registry: CollectorRegistry) -> None:
    for number in range(metrics.MOST_VALUES + 500):
        call(f"tenant {number}")
    exporter = metrics._exporters[registry]
    _, _, updates = exporter._known["calls_total"]
    assert (len(updates), len(exporter._seen["guard"])) == (metrics.MOST_VALUES, metrics.MOST_VALUES)


def test_no_count_is_lost_between_threads(registry: CollectorRegistry) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(2_000):
            call()
            call(f"own {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert value(registry, "calls_total", guard="db", outcome="success") == 16_000.0
    assert [value(registry, "calls_total", guard=f"own {n}", outcome="success") for n in range(8)] == [2_000.0] * 8


# Circuits.


def circuits(registry: CollectorRegistry, guard: str) -> dict[str, float]:
    """The states in which circuits of this guard are, other than closed."""
    samples = [s for family in registry.collect() if family.name == "guardrails_circuits" for s in family.samples]
    return {s.labels["state"]: s.value for s in samples if s.labels["guard"] == guard and s.value}


def fails() -> None:
    raise ConnectionError


def failing(guard: Guard, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            guard.call(fails)


def test_a_circuit_is_shown_in_its_state_from_opening_to_closing(registry: CollectorRegistry) -> None:
    clock = VirtualClock()
    guard = Guard("search", breaker=Breaker(consecutive=3, cooldown=10, permitted_calls=1), clock=clock)
    failing(guard, 2)
    assert circuits(registry, "search") == {}
    failing(guard, 1)
    assert circuits(registry, "search") == {"open": 1.0}
    clock.advance(10)
    with guard.permit() as permit:
        permit.ignore()
        assert circuits(registry, "search") == {"half-open": 1.0}
    guard.call(int)
    assert circuits(registry, "search") == {}
    assert value(registry, "breaker_transitions_total", guard="search", before="closed", after="open") == 1.0


def test_circuits_of_one_label_add_up(registry: CollectorRegistry) -> None:
    guards = [Guard("search"), Guard("search")]
    for guard in guards:
        guard.isolate("maintenance")
    assert circuits(registry, "search") == {"isolated": 2.0}
    guards[0].release()
    assert circuits(registry, "search") == {"isolated": 1.0, "half-open": 1.0}


def test_the_keys_of_a_guard_share_its_label(registry: CollectorRegistry) -> None:
    tenants = Guard("tenants", breaker=Breaker(consecutive=1))
    for number in range(300):
        failing(tenants.for_key(number), 1)
    assert circuits(registry, "tenants") == {"open": 300.0}
    assert value(registry, "calls_total", guard="tenants", outcome="failure") == 300.0


def test_a_circuit_that_opened_before_anybody_listened_is_never_counted_below_zero(
    registry: CollectorRegistry,
) -> None:
    moved("search", "open", "half-open")
    moved("search", "half-open", "open")
    moved("search", "open", "half-open")
    moved("search", "half-open", "closed")
    assert circuits(registry, "search") == {}


def test_a_circuit_in_shadow_that_would_have_opened_has_not_moved(registry: CollectorRegistry) -> None:
    moved("search", "closed", "shadow")
    moved("search", "shadow", "would-open")
    assert circuits(registry, "search") == {"shadow": 1.0}
    transitions = {"guard": "search", "before": "shadow", "after": "would-open"}
    assert value(registry, "breaker_transitions_total", **transitions) == 1.0


def test_a_guard_begins_with_zero_openings_so_that_the_first_is_an_increase(registry: CollectorRegistry) -> None:
    Guard("search").call(int)
    assert value(registry, "breaker_transitions_total", guard="search", before="closed", after="open") == 0.0
    assert value(registry, "circuits", guard="search", state="open") == 0.0


def test_every_state_of_a_circuit_is_shown_but_closed(registry: CollectorRegistry) -> None:
    circuit = Circuit(Breaker(), 0.0)
    states = set()
    for how in (circuit.isolate, circuit.disable, circuit.shadow):
        transition = how(1.0, "why")
        assert transition is not None
        moved("search", transition.before, transition.after)
        states |= set(circuits(registry, "search"))
        released = circuit.release(2.0, "why")
        assert released is not None
        moved("search", released.before, released.after)
    assert states == {"isolated", "disabled", "shadow"}


def test_a_breaker_that_is_taken_away_from_an_open_guard_leaves_no_open_circuit_behind(
    registry: CollectorRegistry,
) -> None:
    guard = Guard("search", breaker=Breaker(consecutive=1))
    failing(guard, 1)
    assert circuits(registry, "search") == {"open": 1.0}
    guard.update(breaker=None)
    assert circuits(registry, "search") == {}
    guard.update(breaker=Breaker(consecutive=1))
    failing(guard, 1)
    assert circuits(registry, "search") == {"open": 1.0}


# Durations, and who is in a bulkhead.


def buckets(registry: CollectorRegistry, **labels: str) -> dict[float, float]:
    """Calls by the longest that they took, without the empty buckets."""
    found, before = {}, 0.0
    for bound in (*metrics.BUCKETS, float("inf")):
        until = "+Inf" if bound == float("inf") else str(bound)
        number = value(registry, "call_seconds_bucket", le=until, **labels) or 0.0
        if number > before:
            found[bound] = number - before
        before = number
    return found


def test_how_long_calls_took_is_a_histogram_from_a_cache_to_an_llm(registry: CollectorRegistry) -> None:
    clock = VirtualClock()
    guard = Guard("llm", clock=clock)
    for seconds in (0.001, 0.02, 0.02, 45, 299, 1000):
        guard.call(clock.advance, seconds)
    ok = {"guard": "llm", "outcome": "success"}
    assert buckets(registry, **ok) == {0.005: 1, 0.025: 2, 60: 1, 300: 1, float("inf"): 1}
    assert value(registry, "call_seconds_sum", **ok) == pytest.approx(1344.041)
    assert value(registry, "call_seconds_count", **ok) == value(registry, "calls_total", **ok) == 6.0
    assert (min(metrics.BUCKETS), max(metrics.BUCKETS), len(metrics.BUCKETS)) == (0.005, 300.0, 15)


def test_how_many_calls_are_in_the_bulkheads_of_a_guard_and_its_keys(registry: CollectorRegistry) -> None:
    guard = Guard("search", bulkhead=Bulkhead(2))
    with guard.permit(), guard.for_key("eu").permit(), guard.for_key("us").permit():
        assert value(registry, "bulkhead_calls", guard="search") == 3.0
    assert value(registry, "bulkhead_calls", guard="search") == 0.0


def test_calls_that_entered_before_anybody_listened_are_never_counted_below_zero() -> None:
    registry = CollectorRegistry()
    guard = Guard("search", bulkhead=Bulkhead(4))
    with guard.permit():
        with guard.permit():
            end = metrics.install(registry)
            with guard.permit():
                assert value(registry, "bulkhead_calls", guard="search") == 1.0
        assert value(registry, "bulkhead_calls", guard="search") == 0.0
    assert value(registry, "bulkhead_calls", guard="search") == 0.0
    with guard.permit():
        assert value(registry, "bulkhead_calls", guard="search") == 1.0
    end()


# What fails, fails here.


def test_wrong_labels_harm_no_call_and_are_counted(registry: CollectorRegistry) -> None:
    before = hooks.failures()
    emit("calls_total", 1.0, {"queue": "mine"})
    emit("calls_total", -1.0, {"guard": "db", "outcome": "success"})
    call()
    assert hooks.failures() == before + 2
    assert value(registry, "hook_errors_total", error="KeyError") == 1.0
    assert value(registry, "hook_errors_total", error="ValueError") == 1.0
    assert value(registry, "calls_total", guard="db", outcome="success") == 1.0


def test_the_failure_of_another_listener_is_counted(registry: CollectorRegistry) -> None:
    def broken(*event: object) -> None:
        raise ZeroDivisionError

    hooks.listen(broken)
    call()
    assert value(registry, "hook_errors_total", error="ZeroDivisionError") == 1.0
    assert value(registry, "calls_total", guard="db", outcome="success") == 1.0


def test_what_is_emitted_while_the_same_thread_is_counting_is_counted_after_it() -> None:
    """As a finalizer or a signal handler may, where prometheus_client holds the lock of a counter."""
    code = """
import signal
from prometheus_client import REGISTRY
from guardrails import metrics
from guardrails.hooks import emit

class Emitting(float):
    def __radd__(self, other):
        emit("gate_runs_total", 1.0, {"verdict": "passed"})
        emit("gate_runs_total", 1.0, {"verdict": "new"})
        return other + 1.0

signal.alarm(10)
metrics.install()
emit("gate_runs_total", Emitting(1.0), {"verdict": "passed"})
print([REGISTRY.get_sample_value("guardrails_gate_runs_total", {"verdict": said}) for said in ("passed", "new")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[2.0, 1.0]\n"), done.stderr


def test_an_interrupt_while_counting_leaves_the_listener_usable(registry: CollectorRegistry) -> None:
    class Interrupting(float):
        def __radd__(self, other: float) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(times=Interrupting(1.0))
    call()
    assert value(registry, "calls_total", guard="db", outcome="success") == 1.0


# The table.


def sent(tree: ast.Module) -> Iterator[tuple[str, frozenset[str]]]:
    """What a module emits: names, and names of labels. Fails where they are not written out."""
    variables: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            variables.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        # `listener` is how the hooks themselves tell of a failure.
        if called == "emit" or (called == "listener" and isinstance(node.args[0], ast.Constant)):
            given = [keyword.value for keyword in node.keywords if keyword.arg == "labels"] or node.args[2:3]
            name = ast.literal_eval(node.args[0])
            for labels in given or [ast.Dict([], [])]:
                for written in variables[labels.id] if isinstance(labels, ast.Name) else [labels]:
                    assert isinstance(written, ast.Dict), f"line {node.lineno}: the labels are not written out"
                    yield name, frozenset(ast.literal_eval(key) for key in written.keys if key is not None)


def differences(emitted: set[tuple[str, frozenset[str]]]) -> set[tuple[str, frozenset[str]]]:
    """What is emitted and not in the table, or in the table and not emitted."""
    table = {(one.name, frozenset(one.labels)) for one in metrics.EXPORTED if one.hook is None}
    assert {one.hook for one in metrics.EXPORTED if one.hook} <= {name for name, _ in table}
    return table ^ emitted


def everything_sent() -> set[tuple[str, frozenset[str]]]:
    paths = (path for path in SRC.rglob("*.py") if path.name != "metrics.py")
    return {event for path in paths for event in sent(ast.parse(path.read_text(encoding="utf-8")))}


def test_the_table_knows_what_is_emitted_with_its_labels_and_nothing_else() -> None:
    assert differences(everything_sent()) == set()


def test_an_event_that_the_table_does_not_know_would_be_found() -> None:
    source = "hooks.emit('streams_total', 1.0, {'model': m})\nsaid = {'guard': g}\nemit('calls_total', labels=said)"
    new = set(sent(ast.parse(source)))
    assert new == {("streams_total", frozenset({"model"})), ("calls_total", frozenset({"guard"}))}
    assert differences(everything_sent() | new) == new
    gone = ("gate_runs_total", frozenset({"verdict"}))
    assert differences(everything_sent() - {gone}) == {gone}


def everything(registry: CollectorRegistry) -> str:
    """An exposition in which every metric has a sample."""
    for one in metrics.EXPORTED:
        if one.hook is None:
            emit(one.name, 1.0, dict.fromkeys(one.labels, "x"))
    emit("nobody knows this")
    for number in range(metrics.MOST_VALUES):
        call(f"guard {number}")
    return generate_latest(registry).decode()


def test_names_follow_the_conventions_and_both_parsers_of_prometheus_read_them(registry: CollectorRegistry) -> None:
    text = everything(registry)
    families = {family.name: family for family in parsed(text) if not family.name.endswith("_created")}
    assert {name: family.type for name, family in families.items()} == {
        f"guardrails_{name.removesuffix('_total')}": one.kind for name, one in NAMES.items()
    }
    assert [name for name, family in families.items() if not family.samples] == []
    assert [one.name for one in metrics.EXPORTED if not re.fullmatch(r"[a-z]+(_[a-z]+)*", one.name)] == []
    assert [one.help for one in metrics.EXPORTED if not re.fullmatch(r"[A-Z].+\.", one.help)] == []
    strict = openmetrics(registry).decode()
    assert {family.name for family in strictly_parsed(strict)} == set(families)


def test_promtool_has_nothing_to_say(registry: CollectorRegistry) -> None:
    promtool = need("promtool", "the conventions of metric names, by Prometheus itself")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=everything(registry), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_guide_shows_the_whole_table() -> None:
    rows = re.findall(r"^\| `(guardrails_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert rows == [
        (
            f"guardrails_{one.name}",
            one.kind,
            ", ".join(f"`{label}`" for label in one.labels),
            one.help,
        )
        for one in metrics.EXPORTED
    ]


def test_the_module_costs_nothing_to_who_does_not_install(tmp_path: object) -> None:
    code = "import sys, guardrails.metrics; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_folder_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/no/such/folder")
    for begin in (metrics.install, metrics.registry_to_serve):
        with pytest.raises(ConfigError, match="PROMETHEUS_MULTIPROC_DIR: '/no/such/folder' is no folder; make it"):
            begin()


def test_a_folder_that_comes_too_late_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """prometheus_client has decided at its import to count in this process alone."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match="came after the import of prometheus_client; set it before"):
        metrics.install(CollectorRegistry())
