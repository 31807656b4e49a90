"""No value makes the encoder hang, grow or raise, and each bound that is reached is reported."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from guardrails import jsonsafe
from guardrails.jsonsafe import Encoder
from guardrails.testing import VirtualClock
from tests.jsonsafe.reading import strictly
from tests.jsonsafe.values import nested


def reasons(encoded: jsonsafe.Encoded) -> list[str]:
    return [entry.reason for entry in encoded.report.entries]


@pytest.mark.parametrize("shared", [False, True])
def test_the_whole_is_cut_to_five_mebibytes_with_a_marker_where_it_was_cut(shared: bool) -> None:
    encoded = jsonsafe.encode({"rows": ["x" * 100] * 60_000, "after": 1}, shared=shared)
    tree = strictly(encoded.data)
    assert 5_000_000 < len(encoded.data) <= 5 * 1024 * 1024
    assert tree["rows"][-1]["$lost"] == "size"
    assert len(tree["rows"]) - 1 + tree["rows"][-1]["$members"] == 60_000
    assert tree["$lost"] == {"$lost": "size", "$type": "dict", "$members": 1}
    assert [(entry.path, entry.action) for entry in encoded.report.entries] == [("$.rows", "cut"), ("$", "cut")]


def test_a_value_that_unfolds_to_billions_of_items_is_cut() -> None:
    value: Any = ["x" * 1000] * 10
    for _ in range(30):
        value = [value] * 10
    encoded = jsonsafe.encode(value, shared=True)
    strictly(encoded.data)
    assert len(encoded.data) <= 5 * 1024 * 1024
    assert "size" in reasons(encoded)


def test_a_text_that_is_referred_to_a_million_times_is_not_written_a_million_times() -> None:
    encoded = jsonsafe.encode(["x" * 1_000_000] * 1_000_000, shared=True)
    assert len(encoded.data) <= 5 * 1024 * 1024
    assert set(reasons(encoded)) == {"size"}


def test_lossy_and_log_trim_to_a_quarter_of_a_mebibyte() -> None:
    rows = [{"text": "word " * 100} for _ in range(2_000)]
    assert len(jsonsafe.dumps(rows, policy="lossy")) <= 256 * 1024
    assert len(jsonsafe.dumps(rows, profile="log")) <= 256 * 1024
    assert len(jsonsafe.dumps(rows)) > 1_000_000


class Slow:
    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock


def test_time_runs_out_only_where_a_value_may_be_trimmed() -> None:
    clock = VirtualClock()
    registry = jsonsafe.Registry()
    registry.register(Slow, lambda slow: slow.clock.advance(0.03) or "read")
    encoder = Encoder(registry, clock=clock)
    values = [Slow(clock) for _ in range(4)]
    assert encoder.encode(values).report.entries == ()
    lossy = encoder.encode(values, policy="lossy")
    assert strictly(lossy.data)[:2] == ["read", "read"]
    assert reasons(lossy) == ["deadline", "deadline"]


def test_a_nearly_full_stack_does_not_matter() -> None:
    value = nested(200)

    def at(depth: int) -> jsonsafe.Encoded:
        return jsonsafe.encode([value, object()], shared=True) if depth == 0 else at(depth - 1)

    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    assert reasons(at(sys.getrecursionlimit() - used - 60)) == ["opaque"]


def test_a_cycle_through_every_kind_of_container_ends_at_its_beginning() -> None:
    loop: dict[str, Any] = {}
    loop["list"] = [(loop, [{"deep": loop}])]
    # Shared: a cycle through a tuple overflows the C stack of orjson 3.13.0.
    encoded = jsonsafe.encode(loop, shared=True)
    assert reasons(encoded) == ["cycle", "cycle"]
    assert [entry.path for entry in encoded.report.entries] == ["$.list[0][0]", "$.list[0][1][0].deep"]


def test_a_cycle_through_objects_and_exceptions_ends() -> None:
    error = ValueError("a")
    error.__cause__ = KeyError("b")
    error.__cause__.__cause__ = error
    assert reasons(jsonsafe.encode(error)) == ["cycle"]


def test_the_same_object_twice_is_no_cycle() -> None:
    part = {"a": [1]}
    assert jsonsafe.dumps([part, part, {1: part}]) == b'[{"a":[1]},{"a":[1]},{"1":{"a":[1]}}]'


def test_an_encoder_that_returns_itself_for_ever_is_stopped() -> None:
    class Mirror:
        pass

    registry = jsonsafe.Registry()
    registry.register(Mirror, lambda mirror: mirror)
    assert reasons(Encoder(registry).encode([Mirror()])) == ["depth"]


def test_an_encoder_that_always_finds_something_within_is_stopped() -> None:
    class Onion:
        pass

    registry = jsonsafe.Registry()
    registry.register(Onion, lambda _: [Onion()])
    encoded = Encoder(registry).encode(Onion())
    strictly(encoded.data)
    assert reasons(encoded) == ["depth"]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, RecursionError, AssertionError, StopIteration])
def test_what_user_code_raises_costs_its_own_value_only(error: type[BaseException]) -> None:
    class Broken:
        pass

    def fail(_: Broken) -> object:
        raise error

    registry = jsonsafe.Registry()
    registry.register(Broken, fail)
    tree = strictly(Encoder(registry).dumps({"before": 1, "k": Broken(), "after": 2}))
    assert [tree["before"], tree["k"]["$error"], tree["after"]] == [1, error.__name__, 2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, asyncio.CancelledError])
def test_what_must_not_be_held_back_passes(error: type[BaseException]) -> None:
    class Broken:
        pass

    def fail(_: Broken) -> object:
        raise error

    registry = jsonsafe.Registry()
    registry.register(Broken, fail)
    with pytest.raises(error):
        Encoder(registry).dumps([Broken()])


def test_code_that_changes_the_container_it_stands_in_changes_nothing_that_is_written() -> None:
    class Eraser:
        pass

    holder: dict[str, Any] = {"first": Eraser(), "second": 2}
    registry = jsonsafe.Registry()
    registry.register(Eraser, lambda _: holder.clear() or "gone")
    assert Encoder(registry).dumps(holder) == b'{"first":"gone","second":2}'


def test_threads_that_change_a_shared_value_never_break_it() -> None:
    shared: dict[str, Any] = {str(number): number for number in range(200)}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shared[f"new {number % 50}"] = [object()]
            shared.pop(f"new {(number + 25) % 50}", None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            strictly(jsonsafe.dumps(shared, shared=True))
    finally:
        stop.set()
        thread.join()


def test_an_object_nobody_described_does_not_lead_to_the_whole_application() -> None:
    class Node:
        def __init__(self, below: object) -> None:
            self.below = below

    tree = strictly(jsonsafe.dumps(Node(Node(Node(Node(1))))))
    assert tree["below"]["below"]["below"]["$lost"] == "opaque"
