"""Prometheus listens to the hooks: one table of what is exported, and one listener that counts it.

    metrics.install()                 from now on, what is emitted is counted
    metrics.registry_to_serve()       what /metrics shows: this process, or all that share a folder

Counters and the histogram say what has happened. The gauges follow what is emitted, the transitions of circuits and the
coming and going of calls: a scrape reaches one process, which cannot look into the guards of the others.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from guardrails import hooks
from guardrails.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    Update = Callable[[float], None]

# Values of one label: more guards than a service has, and few enough that no metric has more than some thousand series.
MOST_VALUES = 100
OTHER = "other"
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
# Seconds, from a read of a store to the longest answer of an LLM.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Exported(NamedTuple):
    """One metric: `guardrails_` and its name, which says whether it is a counter, a histogram or a gauge.

    `hook`: the emitted name, where it is another.
    """

    name: str
    labels: tuple[str, ...]
    help: str
    hook: str | None = None

    @property
    def kind(self) -> Literal["counter", "histogram", "gauge"]:
        """Counters count (`_total`), the histogram measures (`_seconds`), a gauge is what is now."""
        if self.name.endswith("_total"):
            return "counter"
        return "histogram" if self.name.endswith("_seconds") else "gauge"


# Those that the code below knows by name.
MOVES = Exported("breaker_transitions_total", ("guard", "before", "after"), "Moves of circuits between their states.")
CIRCUITS = Exported("circuits", ("guard", "state"), "Circuits not closed now, in all processes.", MOVES.name)
INSIDE = Exported("bulkhead_calls", ("guard",), "Calls in a bulkhead now, in all processes.")
ERRORS = Exported("hook_errors_total", ("error",), "Listeners and functions of users that failed; no call was harmed.")
UNKNOWN = Exported("unknown_events_total", (), "Events with a name that is not exported.", "")
OVERFLOWS = Exported("label_overflows_total", ("label",), "Events under the label value other: too many before.", "")
EXPORTED = (
    Exported("calls_total", ("guard", "outcome"), "Attempts, by what they came to."),
    Exported("call_seconds", ("guard", "outcome"), "How long attempts took; streams: to their first item."),
    INSIDE,
    Exported("rejections_total", ("guard", "reason"), "Calls that were refused: circuit, bulkhead or rate limit."),
    Exported("retries_total", ("guard", "verdict"), "Attempts to be tried again: retried, or why not."),
    Exported("hedges_total", ("guard", "verdict"), "Second calls that were due: what became of them, or why not."),
    MOVES,
    CIRCUITS,
    Exported("fallbacks_total", ("guard", "reason", "result"), "Uses of a fallback: why, and what it came to."),
    Exported("dependency_mode_changes_total", ("dependency", "before", "after"), "Changes of modes."),
    Exported("headers_ignored_total", ("header",), "Request headers that could not be read."),
    Exported("heals_total", ("wire", "fault", "rung"), "Faults of LLM streams, by what was done about each."),
    Exported("json_lossy_total", ("profile", "reason"), "JSON texts in which something could not be kept."),
    Exported("gate_runs_total", ("verdict",), "Runs of the gate."),
    ERRORS,
    UNKNOWN,
    OVERFLOWS,
)


def install(registry: CollectorRegistry | None = None) -> Callable[[], None]:
    """Count what is emitted from now on, and show it in `registry`. Returns a function that ends it.

    Call it where the application is made, before the server forks: what happened earlier is not counted. A second call
    for the same registry changes nothing and returns the same function: a module that is loaded twice, or by a parent
    and its child, must not count twice. `registry`: default the one of prometheus_client.

    Raises ConfigError where PROMETHEUS_MULTIPROC_DIR is no folder or came too late, ValueError where the registry
    has another metric of one of these names.
    """
    from prometheus_client import REGISTRY

    registry = REGISTRY if registry is None else registry
    _several_processes()
    with _lock:
        if registry not in _exporters:
            _exporters[registry] = Exporter(registry)
        return _exporters[registry].end


def registry_to_serve() -> CollectorRegistry:
    """What `/metrics` shows: all processes that share PROMETHEUS_MULTIPROC_DIR, or this one where it is not set.

    Counters of processes that have ended stay; their gauges are left out, however they ended. So all that share the
    folder must see one another's process ids: one machine, one container.
    """
    from prometheus_client import REGISTRY, CollectorRegistry, multiprocess

    class Living(multiprocess.MultiProcessCollector):
        def collect(self) -> Any:
            _forget_the_dead(os.environ[MULTIPROCESS])
            return super().collect()  # type: ignore[no-untyped-call]

    if not _several_processes():
        return REGISTRY
    registry = CollectorRegistry()
    Living(registry)  # type: ignore[no-untyped-call]
    return registry


class Exporter:
    """Listens, and is what a registry collects from; its metrics stand in no registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self._registry = registry
        # Whether the lock's owner is at work. prometheus_client's locks cannot be taken twice, and the garbage
        # collector may end a guarded generator, which emits, at any moment: also while one of them is held.
        self._busy = False
        self._later: deque[tuple[str, float, Mapping[str, str]]] = deque()
        self._seen: dict[str, set[str]] = {}
        # What the gauges show: the labels of circuits not closed, and of calls in a bulkhead.
        self._circuits: dict[tuple[str, ...], float] = {}
        self._inside: dict[tuple[str, ...], float] = {}
        self._metrics: dict[Exported, Any] = {}
        self._known: dict[str, tuple[Exported, Callable[..., Any], dict[Any, Update]]] = {}
        for one in EXPORTED:
            name = f"guardrails_{one.name}"
            if one.kind == "gauge":
                # Those of a process that has ended are gone; those of the living add up.
                self._metrics[one] = Gauge(name, one.help, one.labels, registry=None, multiprocess_mode="livesum")
            elif one.kind == "histogram":
                self._metrics[one] = Histogram(name, one.help, one.labels, registry=None, buckets=BUCKETS)
            else:
                self._metrics[one] = Counter(name, one.help, one.labels, registry=None)
            if one.hook is None:
                self._known[one.name] = one, itemgetter(*one.labels), {}
        registry.register(self)
        self._stop = hooks.listen(self.hear)

    def end(self) -> None:
        """Count no more, and leave the registry."""
        with _lock:
            if _exporters.get(self._registry) is self:
                del _exporters[self._registry]
                self._stop()
                self._registry.unregister(self)

    def hear(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Count one event. What it raises is contained by the hooks."""
        with _lock:
            if self._busy:
                self._later.append((name, value, labels))
                return
            self._busy = True
            try:
                self._count(name, value, labels)
                while self._later:
                    self._count(*self._later.popleft())
            except Exception as exc:
                # The hooks tell all listeners but the one that failed.
                self._count(ERRORS.name, 1.0, {"error": type(exc).__name__})
                raise
            finally:
                self._busy = False

    def _count(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        known = self._known.get(name)
        if known is None:
            self._metrics[UNKNOWN].inc()
            return
        one, values, updates = known
        key = values(labels)
        update = updates.get(key)
        if update is None:
            update = self._update_for(one, key, updates)
        update(value)

    def _update_for(self, one: Exported, key: Any, updates: dict[Any, Update]) -> Update:
        said = key if isinstance(key, tuple) else (key,)
        kept = tuple(map(self._kept, one.labels, said))
        metric = self._metrics[one].labels(*kept)
        update: Update = metric.observe if one.kind == "histogram" else metric.inc
        if one is MOVES:
            update = partial(self._moved, update, kept)
        elif one is INSIDE:
            update = partial(self._changed, INSIDE, self._inside, kept)
        # What is too much to count is too much to remember.
        if kept == said:
            updates[key] = update
        return update

    def _kept(self, label: str, value: str) -> str:
        seen = self._seen.setdefault(label, set())
        if value not in seen:
            if len(seen) >= MOST_VALUES:
                self._metrics[OVERFLOWS].labels(label).inc()
                return OTHER
            seen.add(value)
            if label == "guard":
                # From nothing to 1 is no increase to Prometheus: it would miss the first opening.
                self._metrics[MOVES].labels(value, "closed", "open")
                self._metrics[CIRCUITS].labels(value, "open")
        return value

    def _moved(self, count: Update, labels: tuple[str, ...], value: float) -> None:
        count(value)
        guard, before, after = labels
        # In shadow no circuit moves.
        for state, change in () if after == "would-open" else ((before, -1), (after, 1)):
            if state not in ("closed", "none"):
                self._changed(CIRCUITS, self._circuits, (guard, state), change)

    def _changed(self, gauge: Exported, numbers: dict[tuple[str, ...], float], labels: Any, change: float) -> None:
        # Not below 0: a circuit may have opened, or a call entered, before anybody listened.
        numbers[labels] = max(0.0, numbers.get(labels, 0.0) + change)
        self._metrics[gauge].labels(*labels).set(numbers[labels])

    def describe(self) -> list[Metric]:
        """The families without samples: a registry refuses others of the same name."""
        return [family for metric in self._metrics.values() for family in metric.describe()]

    def collect(self) -> Iterator[Metric]:
        """The families with their samples. What is emitted meanwhile waits for one family at most."""
        for metric in self._metrics.values():
            with _lock:
                self._busy = True
                try:
                    families = metric.collect()
                finally:
                    self._busy = False
            yield from families

    def revive(self) -> None:
        """Begin in a forked child: circuits are copies of its parent's, in the same states, and bulkheads are empty."""
        self._busy = False
        self._later.clear()
        for labels in self._inside:
            self._metrics[INSIDE].labels(*labels).set(0)
        self._inside.clear()
        for key, number in self._circuits.items():
            if number:
                self._metrics[CIRCUITS].labels(*key).set(number)


def _several_processes() -> bool:
    """Whether they share a folder. Raises ConfigError where they cannot."""
    from prometheus_client import values

    folder = os.environ.get(MULTIPROCESS)
    if folder is None:
        return False
    if not Path(folder).is_dir():
        raise ConfigError([f"{MULTIPROCESS}: {folder!r} is no folder; make it, empty, before the service starts"])
    if values.ValueClass is values.MutexValue:
        raise ConfigError([f"{MULTIPROCESS}: {folder!r} came after the import of prometheus_client; set it before"])
    return True


def _forget_the_dead(folder: str) -> None:
    for file in Path(folder).glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rpartition("_")[2]), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
        except (PermissionError, ValueError):
            continue


# One for all: a fork takes it, so that no other thread is where prometheus_client's locks are held, for ever in the
# child. Taken again by a thread that holds it; see `Exporter._busy`.
_lock = threading.RLock()
_exporters: dict[CollectorRegistry, Exporter] = {}
# What a fork has taken.
_held: list[Any] = []


def _before_fork() -> None:
    _take(_lock)
    # A scrape holds these for a moment.
    for registry in tuple(_exporters):
        _take(registry._lock)


def _take(lock: Any) -> None:
    # Not for ever: a fork must not hang either.
    if lock.acquire(timeout=5.0):
        _held.append(lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - whoever may hold the old one is not here
    _after_fork()
    _lock = threading.RLock()
    for exporter in _exporters.values():
        exporter.revive()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)
