"""The faulty server does what it is told, over real sockets, on every wire."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from guardrails.core.completeness import STRICT, Answer, decode
from guardrails.core.completeness_wires import ANSWERS, PARSERS, Wire
from guardrails.errors import ConfigError
from guardrails.testing import fault_command, fault_wires
from guardrails.testing.faults import Asked, Fault, FaultServer, Reply, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator

PATHS: dict[Wire, str] = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "ollama": "/api/chat",
}
WIRES = list(PATHS)
TEXT = "Grüße aus Köln 😀, and a quick brown fox. " * 4
REPLY = Reply(TEXT, thinking="Let me see.", tools=[Tool("look", {"at": "Dom", "n": [1, 2]}), Tool("go")])
WITHIN = 10.0


def request(wire: Wire, *, stream: bool = True, **more: Any) -> dict[str, Any]:
    return {"model": "m", "stream": stream, **more}


def ask(server: FaultServer, wire: Wire, **more: Any) -> httpx.Response:
    """The whole answer, however it ends. Raises what httpx raises."""
    return httpx.post(server.url + PATHS[wire], json=request(wire, **more), timeout=WITHIN, trust_env=False)


def told(wire: Wire, reply: Reply = REPLY, **more: Any) -> bytes:
    """The body that the server has to send."""
    return b"".join(fault_wires.streamed(wire, reply, request(wire, **more)))


def read(wire: Wire, body: bytes) -> Answer:
    parser, answer = PARSERS[wire](), ANSWERS[wire](STRICT)
    for event in [*parser.feed(body), *parser.finish()]:
        answer.take(event.name, decode(event.data, json.loads))
    return answer


def received(server: FaultServer, wire: Wire) -> tuple[bytes, str]:
    """The bytes that came, and the name of the error that ended them, or ""."""
    body = b""
    try:
        with (
            httpx.Client(timeout=WITHIN, trust_env=False) as client,
            client.stream("POST", server.url + PATHS[wire], json=request(wire)) as response,
        ):
            for chunk in response.iter_raw():
                body += chunk
    except httpx.TransportError as exc:
        return body, type(exc).__name__
    return body, ""


@contextlib.contextmanager
def opened(server: FaultServer, wire: Wire) -> Iterator[socket.socket]:
    """A connection on which a streaming request has been sent, and nothing been read."""
    body = json.dumps(request(wire)).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN) as connection:
        connection.sendall(f"POST {PATHS[wire]} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        yield connection


def until(words: bytes, connection: socket.socket) -> bytes:
    """What comes, as far as these words and a little more."""
    seen = b""
    while words not in seen:
        chunk = connection.recv(65_536)
        assert chunk, f"the connection ended, and {words!r} had not come: {seen!r}"
        seen += chunk
    return seen


def soon(condition: Any) -> None:
    """Wait until it holds."""
    limit = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < limit, "it never came to hold"
        time.sleep(0.002)


@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_stream_is_complete_and_says_what_it_was_told_to(wire: Wire) -> None:
    with FaultServer(REPLY) as server:
        response = ask(server, wire)
    answer = read(wire, response.content)
    calls = [
        (block.name, block.value or json.loads(block.text or "{}")) for block in answer.blocks if block.kind == "tool"
    ]
    thought = "".join(block.text for block in answer.blocks if block.kind == "thinking")
    assert (answer.state, answer.text, thought) == ("complete", TEXT, "Let me see.")
    assert calls == [("look", {"at": "Dom", "n": [1, 2]}), ("go", {})]
    assert response.headers["content-type"] == ("application/x-ndjson" if wire == "ollama" else "text/event-stream")


@pytest.mark.parametrize("wire", WIRES)
def test_without_stream_the_answer_is_one_body(wire: Wire) -> None:
    with FaultServer(REPLY) as server:
        response = ask(server, wire, stream=False)
    assert response.headers["content-type"] == "application/json"
    assert json.dumps(TEXT, ensure_ascii=False)[1:-1] in json.dumps(response.json(), ensure_ascii=False)


def test_ollama_streams_unless_told_not_to() -> None:
    with FaultServer("hi") as server:
        response = httpx.post(f"{server.url}/api/chat", json={"model": "m"}, trust_env=False)
    assert len(response.text.splitlines()) == 2


def test_several_choices_and_usage_come_only_if_asked_for() -> None:
    asked = {"n": 3, "stream_options": {"include_usage": True}}
    with FaultServer("hi") as server:
        body = ask(server, "openai-chat", **asked).content
        plain = ask(server, "openai-chat").content
    answer = read("openai-chat", body)
    assert (answer.finish, answer.text_of(2), answer.usage is None) == ({0: "stop", 1: "stop", 2: "stop"}, "hi", False)
    assert read("openai-chat", plain).usage is None


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("at", [0, 1, 700, 10**6])
def test_a_cut_is_clean_and_falls_on_the_byte(wire: Wire, at: int) -> None:
    with FaultServer(REPLY, fault=Fault.cut(at_byte=at)) as server:
        assert received(server, wire) == (told(wire)[:at], "")


@pytest.mark.parametrize("wire", WIRES)
def test_fin_and_rst_deliver_what_was_sent_and_are_told_apart(wire: Wire) -> None:
    with FaultServer(REPLY, plan=[Fault.fin(at_byte=700), Fault.rst(at_byte=701)]) as server:
        assert received(server, wire) == (told(wire)[:700], "RemoteProtocolError")
        assert received(server, wire) == (told(wire)[:701], "ReadError")


def test_a_fin_is_an_end_like_any_other_where_the_body_does_not_say_how_long_it_is() -> None:
    with FaultServer(REPLY, fault=Fault.fin(at_byte=700), framing="close") as server:
        assert received(server, "openai-chat") == (told("openai-chat")[:700], "")


def test_with_a_length_a_fin_shows_and_a_cut_does_not() -> None:
    with FaultServer(REPLY, plan=[Fault.fin(at_byte=700), Fault.cut(at_byte=700)], framing="length") as server:
        assert received(server, "openai-chat") == (told("openai-chat")[:700], "RemoteProtocolError")
        assert received(server, "openai-chat") == (told("openai-chat")[:700], "")
        assert received(server, "openai-chat") == (told("openai-chat"), "")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.cut(at=0.25), 25),
        (Fault.cut(at=1.0), 100),
        (Fault.cut(), 50),
        (Fault.cut(at_byte=99), 99),
        (Fault.cut(at_byte=200), 100),
        (Fault.cut(at_event=2), 20),
        (Fault.ping_stall(at_byte=29), 20),
        (Fault.linger(), 100),
    ],
)
def test_a_place_is_a_share_a_byte_or_an_event(fault: Fault, expected: int) -> None:
    assert fault.stop([b"0123456789"] * 10) == expected


def test_a_place_may_be_a_time() -> None:
    with FaultServer(REPLY, fault=Fault.cut(at_time=0.03), pace=0.01) as server:
        body, error = received(server, "openai-chat")
    assert (told("openai-chat").startswith(body), body.endswith(b"\n\n"), error) == (True, True, "")
    assert len(body) < len(told("openai-chat"))


def test_in_a_stall_nothing_more_comes_and_the_client_that_leaves_is_seen() -> None:
    with FaultServer("abcdefgh", fault=Fault.stall(at_event=2)) as server:
        with opened(server, "openai-chat") as connection:
            until(b"abcde", connection)
            connection.settimeout(0.02)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        soon(lambda: server.asked[0].hung_up)


def test_a_stall_ends_with_the_connection() -> None:
    with FaultServer("abcdefgh", fault=Fault.stall(seconds=0.01, at_event=2)) as server:
        body, error = received(server, "openai-chat")
    assert (b"abcde" in body, b"fgh" in body, error) == (True, False, "RemoteProtocolError")


@pytest.mark.parametrize(
    ("wire", "keepalive"),
    [
        ("openai-chat", b": keepalive\n\n"),
        ("openai-responses", b": keepalive\n\n"),
        ("anthropic", b'event: ping\ndata: {"type":"ping"}\n\n'),
        ("ollama", b'"content":""},"done":false}\n'),
    ],
)
def test_keepalives_flow_in_a_ping_stall_and_hold_no_content(wire: Wire, keepalive: bytes) -> None:
    with FaultServer("abcdefgh", fault=Fault.ping_stall(every=0.002, seconds=0.05)) as server:
        body, error = received(server, wire)
    assert (body.count(keepalive) > 3, error) == (True, "RemoteProtocolError")
    answer = read(wire, body)
    assert ("abcdefgh".startswith(answer.text), answer.contents < 3, answer.state) == (True, True, "open")


@pytest.mark.parametrize("wire", WIRES)
def test_a_body_that_lingers_is_complete_and_does_not_end(wire: Wire) -> None:
    whole = told(wire, Reply("abc"))
    with FaultServer("abc", fault=Fault.linger()) as server, opened(server, wire) as connection:
        until(whole[-10:], connection)
        connection.settimeout(0.02)
        with pytest.raises(TimeoutError):
            until(b"\r\n0\r\n\r\n", connection)


def test_a_slow_body_comes_in_small_pieces_and_whole() -> None:
    slow = Fault.slow(every=0.001, size=7)
    with FaultServer("abc", fault=slow) as server, opened(server, "ollama") as connection:
        seen = until(b"\r\n0\r\n\r\n", connection)
    length = len(told("ollama", Reply("abc")))
    # Each chunk says how long it is, in sixteens.
    assert re.findall(rb"\r\n([0-9a-f]+)\r\n", seen)[:-1] == [b"7"] * (length // 7) + [b"%x" % (length % 7)]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "fault",
    [
        Fault.error_event(at=0.5),
        Fault.error_data(at=0.5),
        Fault.error_data(at=0.5, then_done=True),
        Fault.error_first(),
    ],
    ids=["event", "data", "then done", "first"],
)
def test_an_error_inside_a_stream_is_one_to_the_contract(wire: Wire, fault: Fault) -> None:
    with FaultServer(REPLY, fault=fault) as server:
        response = ask(server, wire)
    answer = read(wire, response.content)
    assert (response.status_code, answer.state) == (200, "failed")
    assert answer.failure is not None
    assert answer.failure.message == "Overloaded"
    assert TEXT.startswith(answer.text)
    assert (answer.contents == 0) == (fault.at_event == 0)
    assert response.content.endswith(b"[DONE]\n\n") == (fault.then_done and wire != "ollama")


@pytest.mark.parametrize("wire", WIRES)
def test_garbage_and_a_truncated_event_are_not_readable_and_the_rest_comes(wire: Wire) -> None:
    with FaultServer(REPLY, plan=[Fault.garbage(at_event=4), Fault.truncated(at_event=4)]) as server:
        for lost in (0, 1):
            body = ask(server, wire).content
            answer = read(wire, body)
            assert (answer.state, answer.unreadable > 0, answer.terminated) == ("open", True, True)
            assert b"\xff" in body or lost


@pytest.mark.parametrize("wire", WIRES)
def test_a_duplicate_comes_twice(wire: Wire) -> None:
    events = fault_wires.streamed(wire, REPLY, request(wire))
    with FaultServer(REPLY, fault=Fault.duplicate(at_event=4)) as server:
        assert ask(server, wire).content == b"".join([*events[:5], *events[4:]])


@pytest.mark.parametrize("wire", WIRES)
def test_an_error_status_speaks_as_the_provider_does(wire: Wire) -> None:
    with FaultServer(plan=[Fault.status(429, retry_after=1.5), Fault.h529(), Fault.html(502)]) as server:
        limited, overloaded, page = ask(server, wire), ask(server, wire), ask(server, wire)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1.5")
    error = limited.json()["error"]
    assert error == "Too many requests" if wire == "ollama" else error["type"] == "rate_limit_error"
    assert (overloaded.status_code, "retry-after" in overloaded.headers) == (529, False)
    assert (page.status_code, page.headers["content-type"], page.text[:6]) == (502, "text/html", "<html>")


@pytest.mark.parametrize(
    ("fault", "begins"),
    [
        (Fault.garbage(), b'{"choices":[{"del'),
        (Fault.error_event(), b'{"error":{"message":"Overloaded"'),
        (Fault.truncated(), b'{"id":"chatcmpl-1"'),
        (Fault.cut(), b'{"id":"chatcmpl-1"'),
    ],
)
def test_what_lies_inside_a_stream_lies_inside_a_body_too(fault: Fault, begins: bytes) -> None:
    with FaultServer("abc", fault=fault) as server:
        body = ask(server, "openai-chat", stream=False).content
    assert body.startswith(begins)
    if fault.kind != "error_event":
        with pytest.raises(ValueError, match=r"char|decode"):
            json.loads(body)


def test_a_wrong_type_stands_over_the_right_body() -> None:
    with FaultServer(REPLY, fault=Fault.wrong_type()) as server:
        response = ask(server, "openai-chat")
    assert (response.headers["content-type"], response.content) == ("text/plain", told("openai-chat"))


def test_a_connection_may_close_without_an_answer_or_never_be_answered() -> None:
    with FaultServer(plan=[Fault.hang_up(), Fault.never(seconds=0.01)]) as server:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                ask(server, "openai-chat")
        server.fault = Fault.never()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(server.url + PATHS["ollama"], json={}, timeout=0.02, trust_env=False)
        soon(lambda: server.asked[2].hung_up)


def test_connections_are_refused_until_they_are_accepted_again() -> None:
    with FaultServer("abc") as server:
        server.refuse()
        with pytest.raises(httpx.ConnectError):
            ask(server, "ollama")
        server.accept()
        server.accept()
        assert ask(server, "ollama").status_code == 200
    with pytest.raises(httpx.ConnectError):
        ask(server, "ollama")


def test_the_plan_is_for_the_first_requests_and_the_fault_for_all_others() -> None:
    with FaultServer("abc", plan=[Fault.h529(), None], fault=Fault.status(503)) as server:
        assert [ask(server, "ollama").status_code for _ in range(4)] == [529, 200, 503, 503]
    assert [asked.fault and asked.fault.status_code for asked in server.asked] == [529, None, 503, 503]


def test_what_was_asked_is_remembered() -> None:
    with FaultServer("abc") as server:
        headers = {"Authorization": "Bearer x"}
        chunks = iter([b'{"model": ', b'"m"}'])
        httpx.post(f"{server.url}/api/chat?x=1", content=chunks, headers=headers, trust_env=False)
        httpx.post(f"{server.url}/v1/messages", content=b"no JSON", trust_env=False)
        one, two = server.asked
        soon(lambda: one.answered and two.answered)
    assert (one.method, one.path, one.wire, one.json) == ("POST", "/api/chat?x=1", "ollama", {"model": "m"})
    assert (one.headers["authorization"], one.sent, one.hung_up) == (
        "Bearer x",
        len(told("ollama", Reply("abc"))),
        False,
    )
    assert (two.json, two.streams, two.wire) == ({}, False, "anthropic")


def test_one_connection_carries_many_requests() -> None:
    with FaultServer("abc") as server, httpx.Client(trust_env=False) as client:
        ports = {
            client.post(server.url + PATHS[wire], json=request(wire))
            .extensions["network_stream"]
            .get_extra_info("client_addr")
            for wire in WIRES
        }
    assert len(ports) == 1


def test_a_reply_may_depend_on_what_was_asked() -> None:
    def echo(asked: Asked) -> Reply | str:
        return asked.json["say"] if asked.streams else Reply("whole", piece=1)

    with FaultServer(echo) as server:
        assert read("ollama", ask(server, "ollama", say="this").content).text == "this"
        assert ask(server, "ollama", stream=False).json()["message"]["content"] == "whole"


def test_a_reply_that_was_not_ended_by_the_model_is_complete_all_the_same() -> None:
    for wire, reason in {"openai-chat": "length", "anthropic": "max_tokens", "ollama": "length"}.items():
        answer = read(wire, told(wire, Reply("abc", finish="length")))  # type: ignore[arg-type]
        assert (answer.state, answer.finish) == ("complete", {0: reason})
    answer = read("openai-responses", told("openai-responses", Reply("abc", finish="length")))
    assert (answer.state, answer.finish) == ("complete", {0: "max_output_tokens"})


def test_a_path_that_is_none_of_ours_is_not_found() -> None:
    with FaultServer() as server:
        assert httpx.get(f"{server.url}/v1/models", trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Fault.cut(at=1.5), "at: 1.5, allowed: a number from 0 to 1"),
        (lambda: Fault.cut(at=0.5, at_byte=3), r"at: \[0.5, 3\], allowed: one place"),
        (lambda: Fault.slow(every=0), "every: 0, allowed"),
        (lambda: Fault.status(99), "status_code: 99, allowed"),
        (lambda: FaultServer(pace=-1), "pace: -1, allowed"),
        (lambda: FaultServer(framing="none"), "framing: 'none', allowed"),  # type: ignore[arg-type]
    ],
)
def test_a_number_out_of_range_is_named(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


@pytest.mark.parametrize("sent", [b"\x16\x03\x01 no HTTP\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_who_does_not_speak_http_is_hung_up_on(sent: bytes) -> None:
    with FaultServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN) as connection:
        connection.sendall(sent)
        assert (connection.recv(1), server.asked) == (b"", [])


def test_a_port_that_is_taken_is_said_at_once() -> None:
    with FaultServer() as server, pytest.raises(OSError, match="in use"), FaultServer(port=server.port):
        pass


def test_the_server_leaves_no_thread() -> None:
    before = threading.active_count()
    with FaultServer("abc", fault=Fault.stall(at_event=0)) as server, opened(server, "ollama"):
        soon(lambda: server.asked)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], None),
        (["--cut", "0.9"], Fault.cut(at=0.9)),
        (["--fin", "900"], Fault.fin(at_byte=900)),
        (["--ping-stall", "e3"], Fault.ping_stall(at_event=3)),
        (["--rst", "1.5s"], Fault.rst(at_time=1.5)),
        (["--h529"], Fault.h529()),
        (["--status", "429", "--retry-after", "2"], Fault.status(429, 2.0)),
    ],
)
def test_a_command_line_says_a_fault(arguments: list[str], fault: Fault | None) -> None:
    assert fault_command.chosen(fault_command.parser().parse_args(arguments)) == fault


def test_the_command_serves_until_it_is_stopped() -> None:
    command = [sys.executable, "-W", "error", "-m", "guardrails.testing.faults"]
    options = ["--wire", "openai-chat", "--cut", "e2", "--first", "1", "--text", "abc"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1/chat/completions", url)
            bodies = [httpx.post(url, json={"stream": True}, timeout=WITHIN, trust_env=False).content for _ in range(2)]
        finally:
            process.terminate()
    assert [read("openai-chat", body).state for body in bodies] == ["open", "complete"]
    assert read("openai-chat", bodies[1]).text == "abc"


def test_the_command_says_what_it_cannot_serve(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fault_command.main(["--cut", "1.5"])
    assert caught.value.code == 2
    assert "at: 1.5, allowed: a number from 0 to 1" in capsys.readouterr().err
