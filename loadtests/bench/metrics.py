"""What it costs to count one event in Prometheus: against the line that one would write by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.bench.harness import Call, Figure

if TYPE_CHECKING:
    from collections.abc import Callable

# Events in one sample, so that beginning and ending to listen does not show: nobody may listen in other figures.
MANY = 10_000


def emitted() -> Callable[[], object]:
    from prometheus_client import CollectorRegistry

    from guardrails import metrics
    from guardrails.hooks import emit

    def count() -> None:
        end = metrics.install(CollectorRegistry())
        for _ in range(MANY):
            emit("calls_total", 1.0, {"guard": "bench", "outcome": "success"})
        end()

    return count


def by_hand() -> Callable[[], object]:
    from prometheus_client import Counter

    counter = Counter("calls_total", "Calls.", ("guard", "outcome"), registry=None)

    def count() -> None:
        for _ in range(MANY):
            counter.labels("bench", "success").inc()

    return count


def kept() -> Callable[[], object]:
    from prometheus_client import Counter

    count_one = Counter("calls_total", "Calls.", ("guard", "outcome"), registry=None).labels("bench", "success").inc

    def count() -> None:
        for _ in range(MANY):
            count_one()

    return count


FIGURES = [
    Figure(
        id="metrics-event",
        what="one event counted in Prometheus",
        target=1.0,
        ours=Call(name="emit() with metrics.install()", setup=emitted),
        baseline=Call(name="counter.labels(...).inc()", setup=by_hand, distribution="prometheus-client"),
        peers=(Call(name="inc() of a child that is kept", setup=kept),),
    )
]
