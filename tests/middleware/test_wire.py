"""Messages: whatever can be written can be read, and what is too large is refused where it is sent."""

from __future__ import annotations

import datetime as dt
import json
import typing
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from guardrails.errors import EncodeError
from guardrails.jsonsafe import Encoder, Registry, dumps
from guardrails.jsonsafe.report import Ledger
from guardrails.jsonsafe.trimming import Trimmer
from guardrails.middleware.wire import read, writer
from tests.jsonsafe.graphs import GRAPHS

send = writer("safe")
HANDLE = object()


class Place(typing.NamedTuple):
    row: int
    seat: int


@dataclass(frozen=True)
class Ticket:
    number: int


class Rows(list[Any]):
    """A list that makes its items itself, as Celery's `regen` does."""

    def __iter__(self) -> Any:
        return iter(range(3))


@given(graph=GRAPHS)
def test_whatever_is_written_can_be_read(graph: Any) -> None:
    """A worker drops a message that it cannot read."""
    read(send(graph))


@pytest.mark.parametrize(
    ("value", "arrived"),
    [
        ({Place(1, 2)}, [[1, 2]]),
        ({Ticket(7)}, [{"number": 7}]),
        (frozenset({Ticket(7)}), [{"number": 7}]),
        ({Place(1, 2): "taken"}, [[[1, 2], "taken"]]),
        ({Ticket(7): "sold", "b": 1}, [[{"number": 7}, "sold"], ["b", 1]]),
        ({(1, HANDLE)}, [(1, {"$lost": "opaque", "$type": "object"})]),
        (Rows(), [0, 1, 2]),
    ],
    ids=["namedtuple", "dataclass", "frozen", "key", "keys", "marker", "rows"],
)
def test_a_collection_whose_members_are_hashable_no_more_arrives_as_a_list(value: Any, arrived: Any) -> None:
    assert read(send(value)) == arrived


LARGE = "x" * (6 << 20)
TOO_LARGE = {
    "text": {"page": LARGE},
    "bytes": [b"x" * (6 << 20)],
    "integer": 1 << 24_000_000,
    "rows": [uuid.UUID(int=number) for number in range(120_000)],
}


@pytest.mark.parametrize("value", TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.parametrize("policy", ["safe", "strict"])
def test_what_is_too_large_is_refused_and_named(policy: Any, value: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        writer(policy)({"args": value})
    assert caught.value.problems[0].startswith("$.args")


def test_the_refusal_says_where_and_what_to_do() -> None:
    with pytest.raises(EncodeError, match=r"\$\.page: str, too large for one message; send a reference to it"):
        send({"page": LARGE})


@pytest.mark.parametrize("value", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_value_that_was_cut_elsewhere_can_still_be_read(value: Any) -> None:
    """Result backends that must not fail write it cut."""
    again = read(dumps([1, value], profile="wire"))
    assert again[0] == 1
    assert again[1] != value


def test_wherever_a_message_was_cut_the_rest_can_be_read() -> None:
    odd = [
        {3: "x", (1, 2): {4: 5}},
        uuid.UUID(int=1),
        dt.timedelta(1),
        1j,
        {1, 2},
        b"\xff",
        ((1,), [frozenset({2})]),
        2**70,
    ]
    tree = json.loads(send(odd))
    for room in range(len(send(odd)) + 400):
        cut = Trimmer(room, Ledger()).trimmed(tree)
        read(json.dumps(cut))


def test_a_registered_type_whose_payload_is_no_json_arrives_as_a_marker() -> None:
    registry = Registry()
    registry.register(Ticket, lambda _: HANDLE, Ticket, tag="ticket")
    encoder = Encoder(registry)
    data = encoder.dumps([Ticket(7)], profile="wire")
    assert encoder.loads(data, tags=True) == [{"$lost": "opaque", "$type": "object"}]


def test_a_policy_that_cuts_is_none_for_messages() -> None:
    with pytest.raises(ValueError, match="no policy 'lossy' for messages: choose safe or strict"):
        writer("lossy")  # type: ignore[arg-type]


def test_values_come_back_with_their_types() -> None:
    value = [uuid.UUID(int=1), dt.datetime(2026, 1, 2, tzinfo=dt.UTC), Decimal("1.10"), {1}, (1,), {(1, 2): b"\xff"}]
    assert read(send(value)) == value
