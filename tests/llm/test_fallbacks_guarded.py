"""Each place has a circuit and a budget: who is known to be down is not asked, and nobody pays without a bound."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from guardrails import Guard, errors, listen
from guardrails.llm import healing, healing_client, last_heal
from guardrails.llm.places import Spending, spending
from guardrails.llm.usage import Spent
from guardrails.middleware.httpx import guarded_transport
from guardrails.policies import Breaker, Budget, guards
from guardrails.testing import disabled
from guardrails.testing.faults import Fault, FaultServer
from tests.llm.speakers import CALM, TEXT, Model, asked, made
from tests.llm.test_detection import fault_in
from tests.llm.test_fallbacks import ONE_EACH, target, told_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardrails.llm import Heal, StreamPolicy
    from guardrails.llm.targets import Target


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.clock.SystemClock.chance", lambda clock: 0.0)


@contextlib.contextmanager
def client_of(server: FaultServer, fallbacks: Sequence[Target], policy: StreamPolicy = ONE_EACH) -> Iterator[Any]:
    """One client, whose transport keeps its circuits."""
    with made("chat", server.url, healing_client(httpx2.Client, policy, fallbacks), max_retries=0) as client:
        yield client


def text_from(client: Any) -> str:
    return "".join([choice.delta.content or "" for chunk in asked("chat", client) for choice in chunk.choices])


def healed() -> Heal:
    heal = last_heal()
    assert heal is not None
    return heal


def host(server: FaultServer) -> str:
    return server.url.removeprefix("http://")


def guard_of(server: FaultServer, model: str) -> Guard:
    (parent,) = [one for one in guards() if one.name == f"llm:{host(server)}"]
    return parent.for_key(model)


def test_a_provider_that_is_down_is_left_alone_and_tried_again_later() -> None:
    with (
        FaultServer(Model(), fault=Fault.hang_up()) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)]) as client,
    ):
        for _ in range(5):
            assert text_from(client) == TEXT
        assert (len(own.asked), guard_of(own, "m").state) == (5, "open")
        assert text_from(client) == TEXT
        assert (len(own.asked), len(other.asked)) == (5, 6)
        assert (healed().faults, healed().rungs, healed().attempts) == (("open",), ("switch",), 1)
        assert healed().targets == (f"{host(other)} other",)
        own.fault = None
        guard_of(own, "m").release("well again")
        assert text_from(client) == TEXT
        assert (len(own.asked), len(other.asked), last_heal()) == (6, 6, None)


def test_circuits_are_seen_where_all_others_are() -> None:
    said: list[Any] = []
    stop = listen(lambda name, value, labels: said.append((name, labels)))
    with (
        FaultServer(Model(), fault=Fault.hang_up()) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)]) as client,
    ):
        for _ in range(5):
            text_from(client)
        assert guard_of(own, "m").name == f"llm:{host(own)}[m]"
        assert guard_of(other, "other").state == "closed"
    stop()
    moves = [labels for name, labels in said if name == "breaker_transitions_total"]
    assert moves == [{"guard": f"llm:{host(own)}", "before": "closed", "after": "open"}]
    outcomes = [(labels["guard"], labels["outcome"]) for name, labels in said if name == "calls_total"]
    assert outcomes == [(f"llm:{host(own)}", "failure"), (f"llm:{host(other)}", "success")] * 5


def test_a_fallback_that_is_down_is_skipped() -> None:
    with (
        FaultServer(Model(), fault=Fault.cut(at=0.5)) as own,
        FaultServer(Model(), fault=Fault.hang_up()) as second,
        FaultServer(Model()) as third,
        client_of(own, [target(second), target(third)], CALM) as client,
    ):
        guard_of(second, "other").isolate("it lies")
        assert text_from(client) == TEXT
        assert [len(server.asked) for server in (own, second, third)] == [2, 0, 1]
        assert healed().skipped == (f"{host(second)} other: its circuit is isolated",)


def test_a_provider_that_asks_to_be_left_alone_is_left_at_once() -> None:
    with (
        FaultServer(Model(), plan=[Fault.status(429, retry_after=20)]) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)], CALM) as client,
    ):
        assert text_from(client) == TEXT
        assert text_from(client) == TEXT
        assert (len(own.asked), len(other.asked)) == (1, 2)


def test_where_all_are_down_one_is_asked_as_the_last_resort() -> None:
    with (
        FaultServer(Model(), fault=Fault.hang_up()) as own,
        FaultServer(Model(), fault=Fault.hang_up()) as other,
        client_of(own, [target(other)]) as client,
    ):
        for _ in range(5):
            with pytest.raises(openai.APIConnectionError):
                text_from(client)
        states = [guard_of(own, "m").state, guard_of(other, "other").state]
        assert (states, len(own.asked), len(other.asked)) == (["open", "open"], 5, 5)
        own.fault = None
        assert text_from(client) == TEXT
        assert (len(own.asked), len(other.asked)) == (6, 5)


def test_one_that_breaks_where_all_others_are_down_is_taken_up_by_one_of_them() -> None:
    with (
        FaultServer(Model(), fault=Fault.cut(at=0.5)) as own,
        FaultServer(Model(), fault=Fault.hang_up()) as other,
        client_of(own, [target(other)]) as client,
    ):
        guard = guard_of(other, "other")
        while guard.state != "open":
            with contextlib.suppress(RuntimeError), guard.permit():
                raise RuntimeError
        other.fault = None
        own.plan = [Fault.cut(at=0.5)]
        assert text_from(client) == TEXT


def test_what_humans_hold_open_is_no_last_resort() -> None:
    with FaultServer(Model()) as own, FaultServer(Model()) as other, client_of(own, [target(other)]) as client:
        text_from(client)
        for guard in (guard_of(own, "m"), guard_of(other, "other")):
            guard.isolate("INC-7")
        with pytest.raises(errors.CircuitOpen, match="INC-7"):
            text_from(client)
        assert (len(own.asked), len(other.asked)) == (1, 0)


def test_where_humans_hold_the_own_provider_one_that_is_down_is_the_last_resort() -> None:
    with (
        FaultServer(Model()) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)]) as client,
    ):
        text_from(client)
        guard_of(own, "m").isolate("INC-7")
        guard = guard_of(other, "other")
        while guard.state != "open":
            with contextlib.suppress(RuntimeError), guard.permit():
                raise RuntimeError
        assert text_from(client) == TEXT
        assert (len(own.asked), len(other.asked)) == (1, 1)


def test_one_that_humans_hold_open_takes_nothing_up() -> None:
    with (
        FaultServer(Model(), fault=Fault.cut(at=0.5)) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)], ONE_EACH._replace(on_fault=("switch",))) as client,
    ):
        guard_of(other, "other").isolate("INC-7")
        with pytest.raises(openai.APIConnectionError):
            text_from(client)
        assert (len(own.asked), other.asked) == (1, [])


def test_without_fallbacks_there_is_no_circuit() -> None:
    with FaultServer(Model(), fault=Fault.hang_up()) as own, client_of(own, []) as client:
        for _ in range(7):
            with pytest.raises(openai.APIConnectionError):
                text_from(client)
        assert not [one for one in guards() if one.name == f"llm:{host(own)}"]


def test_a_client_that_stops_early_says_nothing_about_the_provider() -> None:
    with FaultServer(Model(), pace=0.001) as own, FaultServer() as other, client_of(own, [target(other)]) as client:
        for _ in range(6):
            stream = asked("chat", client)
            next(iter(stream))
            stream.close()
        circuit = guard_of(own, "m").snapshot().circuit
        assert (circuit.calls, circuit.failed, circuit.state) == (0, 0, "closed")


def test_disabled_guards_stop_nobody() -> None:
    with (
        FaultServer(Model(), fault=Fault.hang_up()) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)]) as client,
        disabled(),
    ):
        for _ in range(7):
            assert text_from(client) == TEXT
        assert (len(own.asked), guard_of(own, "m").state) == (7, "closed")


def test_a_guard_of_the_users_own_below_counts_as_well() -> None:
    guard = Guard("mine", breaker=Breaker(consecutive=2, cooldown=60), classify=None)
    with FaultServer(Model(), fault=Fault.hang_up()) as own, FaultServer(Model()) as other:
        inner = guarded_transport({host(own): guard}, httpx2.HTTPTransport())
        http = httpx2.Client(transport=healing(inner, ONE_EACH, [target(other)]))
        with made("chat", own.url, http, max_retries=0) as client:
            for _ in range(4):
                assert text_from(client) == TEXT
        assert (len(own.asked), healed().faults) == (2, ("open",))


def test_a_key_that_is_wrong_is_no_reason_to_give_up_and_none_to_open() -> None:
    with (
        FaultServer(Model(), fault=Fault.status(401)) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)]) as client,
    ):
        for _ in range(7):
            assert text_from(client) == TEXT
        assert (len(own.asked), guard_of(own, "m").state) == (7, "closed")


def test_a_request_that_is_wrong_is_wrong_everywhere() -> None:
    with FaultServer(Model(), fault=Fault.status(400)) as own, FaultServer(Model()) as other:
        with client_of(own, [target(other)]) as client, pytest.raises(openai.BadRequestError):
            text_from(client)
        assert other.asked == []
    assert last_heal() is None


@pytest.mark.parametrize("theirs", [Fault.status(401), Fault.hang_up(), Fault.html(502)])
def test_the_client_hears_what_its_own_provider_said_where_all_fail(theirs: Fault) -> None:
    with FaultServer(Model(), fault=Fault.status(429)) as own, FaultServer(Model(), fault=theirs) as other:
        # Its own two retries are not added to ours.
        with (
            made("chat", own.url, healing_client(httpx2.Client, ONE_EACH, [target(other)])) as client,
            pytest.raises(openai.RateLimitError) as caught,
        ):
            text_from(client)
        assert (len(own.asked), len(other.asked)) == (1, 1)
        assert caught.value.body == {
            "message": "Too many requests",
            "type": "rate_limit_error",
            "param": None,
            "code": None,
        }


def test_the_error_of_a_stream_names_who_was_asked_and_who_was_not() -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as own, FaultServer(Model(), fault=Fault.cut(at=0.5)) as other:
        policy = ONE_EACH._replace(attempts=2)
        with (
            client_of(own, [target(other), target(other, "anthropic")], policy) as client,
            pytest.raises(openai.APIConnectionError) as caught,
        ):
            text_from(client)
    fault = fault_in(caught.value)
    assert (fault.provider, fault.attempt) == (host(other), 2)
    assert f"asked: {host(own)} m, {host(other)} other" in fault.detail
    assert f"not asked: {host(other)} other: 2 requests have been made" in fault.detail


def test_switches_have_a_budget_of_their_own() -> None:
    policy = ONE_EACH._replace(switches=Budget(0.0, floor=0.2, seconds=10))
    with (
        FaultServer(Model(), fault=Fault.cut(at=0.5)) as own,
        FaultServer(Model()) as other,
        client_of(own, [target(other)], policy) as client,
    ):
        for _ in range(2):
            assert text_from(client) == TEXT
        with pytest.raises(openai.APIConnectionError) as caught:
            text_from(client)
        assert len(other.asked) == 2
        assert "the switches are spent" in str(fault_in(caught.value))
        found = spending(client._client)
    assert found == Spending(answers=3, requests=5, retries=10_003.0, switches=0.0)


def test_what_is_spent_is_told_of_a_transport_and_of_a_client() -> None:
    transport = healing(httpx2.HTTPTransport())
    with httpx2.Client(transport=transport) as client:
        assert spending(transport) == spending(client)
        assert spending(client).answers == 0
    with pytest.raises(TypeError, match="heals nothing"):
        spending(httpx2.Client)


def test_each_attempt_is_on_the_account_as_told_or_as_estimated() -> None:
    with FaultServer(Model(), fault=Fault.cut(at=0.5)) as own, FaultServer(Model()) as other:
        assert told_to("sync", "chat", own.url, [target(other, "anthropic")]).text == TEXT
    lost, told = healed().usage
    # Five characters an event; as the provider counts, with what it repeats.
    assert (lost.provider, lost.model, lost.estimated, lost.input_tokens) == (host(own), "m", True, 18)
    assert 40 < lost.output_tokens < 60
    rest = len(TEXT) - lost.output_tokens * 5 + 60
    assert told == Spent(host(other), "other", 12, 1 + rest // 4)
    assert healed().tokens_estimated == lost.output_tokens


def test_the_first_request_of_an_answer_is_on_no_budget() -> None:
    policy = ONE_EACH._replace(switches=Budget(0.0, floor=0.0), budget=Budget(0.0, floor=0.0))
    with FaultServer(Model()) as own, FaultServer(Model()) as other, client_of(own, [target(other)], policy) as client:
        text_from(client)
        guard_of(own, "m").isolate("maintenance")
        for _ in range(3):
            assert text_from(client) == TEXT
        assert (len(own.asked), len(other.asked)) == (1, 3)
