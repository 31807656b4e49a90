"""Types of the user's own: how they are written, found and read back."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from dataclasses import dataclass

import pytest

from guardrails import jsonsafe
from guardrails.jsonsafe import Encoder, Registry
from tests.jsonsafe.values import Color, Text


class Money:
    def __init__(self, amount: str, currency: str) -> None:
        self.amount, self.currency = amount, currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


class Cash(Money):
    pass


def taught() -> Registry:
    registry = Registry()
    registry.register(
        Money,
        lambda money: {"amount": decimal.Decimal(money.amount), "currency": money.currency},
        lambda parts: Money(str(parts["amount"]), parts["currency"]),
        tag="money",
    )
    return registry


def test_a_registered_type_is_written_by_its_encoder_and_so_are_its_subclasses() -> None:
    encoder = Encoder(taught())
    assert encoder.dumps([Money("1.10", "EUR"), Cash("2", "EUR")]) == (
        b'[{"amount":"1.10","currency":"EUR"},{"amount":"2","currency":"EUR"}]'
    )


def test_a_registered_type_comes_back_by_type_and_by_tag() -> None:
    encoder, money = Encoder(taught()), Money("1.10", "EUR")
    assert encoder.loads(encoder.dumps(money), type=Money) == money
    wired = encoder.dumps({"m": money}, profile="wire")
    assert encoder.loads(wired, tags=True) == {"m": money}
    with pytest.raises(ValueError, match="nobody registered the tag 'money'"):
        jsonsafe.loads(wired, tags=True)


def test_a_rule_of_the_users_goes_before_what_orjson_knows() -> None:
    registry = Registry()
    registry.register(uuid.UUID, lambda value: value.hex[:4])
    registry.register(dt.datetime, lambda value: value.year)
    registry.register(Color, lambda value: value.name)
    registry.register(Text, lambda value: [str(value)])
    registry.register(decimal.Decimal, float)
    values = [uuid.UUID(int=0), dt.datetime(2026, 1, 2, tzinfo=dt.UTC), Color.RED, Text("a"), decimal.Decimal("1.5")]
    assert Encoder(registry).dumps(values) == b'["0000",2026,"RED",["a"],1.5]'


def test_two_registries_know_nothing_of_each_other() -> None:
    assert b"opaque" not in Encoder(taught()).dumps(Money("1", "EUR"))
    assert jsonsafe.loads(Encoder(Registry()).dumps(Money("1", "EUR")))["$type"].endswith("Money")


def test_the_shared_registry_is_the_one_that_functions_use() -> None:
    @dataclass
    class Local:
        x: int

    jsonsafe.register(Local, lambda local: f"local {local.x}")
    assert jsonsafe.dumps(Local(3)) == b'"local 3"'


def test_registering_again_takes_effect_at_once() -> None:
    registry = taught()
    encoder = Encoder(registry)
    encoder.dumps(Cash("1", "EUR"))
    registry.register(Cash, lambda _: "cash")
    assert encoder.dumps(Cash("1", "EUR")) == b'"cash"'


@pytest.mark.parametrize("tag", ["uuid", "money", "", "x" * 65, "é"])
def test_a_tag_that_is_taken_or_malformed_is_refused(tag: str) -> None:
    registry = taught()
    with pytest.raises(ValueError, match="tag "):
        registry.register(dict_like(), lambda _: 1, lambda _: 1, tag=tag)


def dict_like() -> type:
    return type("Other", (), {})


def test_a_tag_without_a_way_back_is_refused() -> None:
    with pytest.raises(ValueError, match="a `decode`"):
        Registry().register(Cash, lambda _: 1, tag="cash")


@pytest.mark.parametrize("plain", [str, int, dict, list, tuple, type(None)])
def test_what_json_has_already_cannot_be_registered(plain: type) -> None:
    with pytest.raises(ValueError, match="is JSON already"):
        Registry().register(plain, str)
