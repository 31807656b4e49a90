"""The ASGI middleware under a real uvicorn: FastAPI, and an application that is nothing but ASGI."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from starlette.responses import StreamingResponse
from websockets.sync.client import connect

from guardrails import hooks
from guardrails.errors import ConfigError, DeadlineExceeded
from guardrails.middleware.asgi import GuardMiddleware, request_id
from guardrails.middleware.httpx import guarded_transport
from guardrails.policies import Backoff, Guard, Retry, remaining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "correct-horse-battery"
MADE = re.compile(r"[0-9a-f]{32}")


class Gate:
    """Lets a test hold a request: `entered` is released when one arrives, `leave` set to let all go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.leave = threading.Event()
        self.disconnected = threading.Event()

    async def pass_through(self) -> None:
        self.entered.release()
        await asyncio.to_thread(self.leave.wait, 20)


def backend(gate: Gate) -> FastAPI:
    app = FastAPI()

    @app.get("/handed")
    async def handed() -> dict[str, Any]:
        return {"left": remaining(), "id": request_id()}

    @app.get("/handed-to-a-thread")
    def handed_to_a_thread() -> dict[str, Any]:
        return {"left": remaining(), "id": request_id()}

    @app.get("/guarded")
    async def guarded() -> dict[str, Any]:
        calls = 0

        async def dead() -> None:
            nonlocal calls
            calls += 1
            raise ConnectionError

        guard = Guard("inside", retry=Retry(on=ConnectionError, backoff=Backoff(base=0.001)), breaker=None)
        try:
            await guard.acall(dead)
        except (ConnectionError, DeadlineExceeded) as error:
            return {"calls": calls, "error": type(error).__name__}
        raise AssertionError

    @app.get("/held")
    async def held() -> str:
        await gate.pass_through()
        return "held"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> Any:
            yield b"first"
            await gate.pass_through()
            yield b"last"

        return StreamingResponse(parts())

    @app.get("/health")
    @app.get("/health/deep")
    @app.get("/healthy")
    async def health() -> str:
        return "up"

    @app.get("/broken")
    async def broken() -> str:
        raise ZeroDivisionError

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(f"{await websocket.receive_text()} {remaining()} {request_id()}")
        await websocket.close()

    return app


@pytest.fixture(scope="module")
def plain(serve: Callable[[Any], str]) -> str:
    return f"http://{serve(GuardMiddleware(backend(Gate()), longest_deadline=30))}"


def get(url: str, method: str = "GET", **options: Any) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, url, **options)


@pytest.fixture
def told() -> Iterator[list[tuple[str, dict[str, str]]]]:
    found: list[tuple[str, dict[str, str]]] = []
    stop = hooks.listen(lambda name, _, labels: found.append((name, dict(labels))))
    yield found
    stop()


# What a caller hands down.


@pytest.mark.parametrize("path", ["handed", "handed-to-a-thread"])
@pytest.mark.parametrize(
    ("sent", "low", "high"), [("5000", 1, 5), ("0", 0, 0), ("999999999999", 20, 30), ("1", 0, 0.001)]
)
def test_a_callers_deadline_reaches_the_endpoint_cut_to_the_longest(
    plain: str, path: str, sent: str, low: float, high: float
) -> None:
    left = get(f"{plain}/{path}", headers={"guardrails-deadline": sent}).json()["left"]
    assert low <= left <= high


def test_without_a_header_there_is_no_deadline(plain: str) -> None:
    assert get(f"{plain}/handed").json()["left"] is None


@pytest.mark.parametrize("sent", ["", "soon", "-1", "1.5", "1e3", "5,6", "0x10", "1234567890123", "٣".encode()])
def test_a_malformed_deadline_is_ignored_and_counted(plain: str, told: list[Any], sent: str | bytes) -> None:
    answer = get(f"{plain}/handed", headers=[(b"guardrails-deadline", sent)])
    assert (answer.status_code, answer.json()["left"]) == (200, None)
    assert told == [("headers_ignored_total", {"header": "guardrails-deadline"})]


def test_a_deadline_that_comes_twice_is_malformed(plain: str, told: list[Any]) -> None:
    headers = [("guardrails-deadline", "5000"), ("Guardrails-Deadline", "9000")]
    assert get(f"{plain}/handed", headers=headers).json()["left"] is None
    assert told == [("headers_ignored_total", {"header": "guardrails-deadline"})]


def test_a_guard_inside_begins_nothing_when_the_callers_time_is_over(plain: str) -> None:
    answer = get(f"{plain}/guarded", headers={"guardrails-deadline": "0"}).json()
    assert answer == {"calls": 0, "error": "DeadlineExceeded"}


@pytest.mark.parametrize(
    ("sent", "calls"), [({}, 3), ({"guardrails-retry-owner": "caller"}, 1), ({"guardrails-retry-owner": "x"}, 3)]
)
def test_a_guard_inside_retries_unless_the_caller_does(plain: str, sent: dict[str, str], calls: int) -> None:
    assert get(f"{plain}/guarded", headers=sent).json() == {"calls": calls, "error": "ConnectionError"}


def test_a_guarded_transport_and_the_middleware_understand_each_other(plain: str) -> None:
    api = Guard("api", timeout=5, retry=Retry(on=httpx.TransportError))
    transport = guarded_transport(api, httpx.HTTPTransport(), own_hosts=["127.0.0.1"])
    with httpx.Client(transport=transport) as client:
        assert 0 < client.get(f"{plain}/handed").json()["left"] < 5
        assert client.get(f"{plain}/guarded").json()["calls"] == 1


def test_a_deadline_around_the_application_holds_where_it_comes_first() -> None:
    seen: list[float | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(remaining())

    async def call(sent: bytes) -> None:
        scope = {"type": "http", "path": "/", "headers": [(b"guardrails-deadline", sent)]}
        await GuardMiddleware(app)(scope, None, None)  # type: ignore[arg-type]

    for sent in (b"500", b"50000"):
        asyncio.run(Guard("around", timeout=5).acall(call, sent))
    assert seen == [pytest.approx(0.5, abs=0.3), pytest.approx(5, abs=0.5)]


def test_nothing_stays_handed_down_for_the_next_request(plain: str) -> None:
    with httpx.Client(trust_env=False) as client:
        client.get(f"{plain}/handed", headers={"guardrails-deadline": "5000", "x-request-id": "a"})
        assert client.get(f"{plain}/handed").json()["left"] is None
    assert (remaining(), request_id()) == (None, None)


# Load shedding.


def running_in_the_end(app: GuardMiddleware) -> int:
    """What still runs once the server had time to leave the middleware: its last byte reaches a client before that."""
    patience = time.monotonic() + 10
    while app.running and time.monotonic() < patience:
        time.sleep(0.001)
    return app.running


def test_more_than_may_run_are_refused_and_told_when_to_come_back(serve: Callable[[Any], str], told: list[Any]) -> None:
    gate = Gate()
    app = GuardMiddleware(
        backend(gate), most_running=2, retry_after=7, never_shed=["/health"], state_path="/guardrails/state"
    )
    url = f"http://{serve(app)}"
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(get(f"{url}/held"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert gate.entered.acquire(timeout=10)
    refused = get(f"{url}/held", headers={"x-request-id": "mine"})
    assert (refused.status_code, refused.headers["retry-after"], refused.headers["x-request-id"]) == (503, "7", "mine")
    assert told == [("rejections_total", {"guard": "asgi", "reason": "shed"})]
    served = {
        path: get(f"{url}/{path}").status_code for path in ("health", "health/deep", "healthy", "guardrails/state")
    }
    assert served == {"health": 200, "health/deep": 200, "healthy": 503, "guardrails/state": 200}
    assert get(f"{url}/guardrails/state").json()["running"] == 2
    gate.leave.set()
    for thread in threads:
        thread.join(20)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (get(f"{url}/held").status_code, running_in_the_end(app)) == (200, 0)


def test_a_request_that_fails_gives_its_place_back(serve: Callable[[Any], str]) -> None:
    app = GuardMiddleware(backend(Gate()), most_running=1)
    url = f"http://{serve(app)}"
    assert [get(f"{url}/broken").status_code for _ in range(3)] == [500, 500, 500]
    assert (get(f"{url}/handed").status_code, running_in_the_end(app)) == (200, 0)


# The name of a request.


@pytest.mark.parametrize("path", ["handed", "handed-to-a-thread"])
@pytest.mark.parametrize("sent", ["a", "req_01HF-x.y:z", "1-67891233-abcdef012345678912345678", "YWJj/+==", "x" * 128])
def test_a_well_formed_name_is_kept(plain: str, path: str, sent: str) -> None:
    answer = get(f"{plain}/{path}", headers={"x-request-id": sent})
    assert (answer.json()["id"], answer.headers.get_list("x-request-id")) == (sent, [sent])


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "a b",
        "x" * 129,
        '"quoted"',
        "a\tb",
        "{json}",
        "a;b",
        "<script>",
        "%0d%0aset-cookie:x",
        "ü".encode(),
        b"\xff",
    ],
)
def test_one_that_could_break_out_of_a_log_line_or_a_header_is_replaced(plain: str, sent: str | bytes) -> None:
    answer = get(f"{plain}/handed", headers=[(b"x-request-id", sent)])
    name = answer.json()["id"]
    assert MADE.fullmatch(name)
    assert answer.headers.get_list("x-request-id") == [name]


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x=1", b"a\nb", b"a\x00b", b"a\x1b[31mb"])
def test_line_ends_that_a_server_lets_through_are_not_passed_on(value: bytes) -> None:
    scope = {"type": "http", "path": "/", "headers": [(b"x-request-id", value)]}
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        await GuardMiddleware(app)(scope, lambda: asyncio.sleep(0), send)

    asyncio.run(main())
    ((name, found),) = sent[0]["headers"]
    assert (name, MADE.fullmatch(found.decode()) is not None) == (b"x-request-id", True)


def test_two_that_come_at_once_are_not_believed(plain: str) -> None:
    answer = get(f"{plain}/handed", headers=[("x-request-id", "a"), ("x-request-id", "b")])
    assert MADE.fullmatch(answer.json()["id"])


def test_each_request_without_a_name_gets_another(plain: str) -> None:
    assert len({get(f"{plain}/handed").json()["id"] for _ in range(5)}) == 5


def test_what_the_application_says_itself_is_replaced(serve: Callable[[Any], str]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"X-Request-ID", b"other"), (b"a", b"b")]}
        )
        await send({"type": "http.response.body", "body": b""})

    answer = get(f"http://{serve(GuardMiddleware(app))}/", headers={"x-request-id": "mine"})
    assert (answer.headers.get_list("x-request-id"), answer.headers["a"]) == (["mine"], "b")


# The state of the guards.


def test_the_state_is_off_by_default(plain: str) -> None:
    assert get(f"{plain}/guardrails/state").status_code == 404


@pytest.fixture(scope="module")
def watched(serve: Callable[[Any], str]) -> str:
    app = GuardMiddleware(backend(Gate()), state_path="/guardrails/state", control=True, secret=SECRET)
    return f"http://{serve(app)}/guardrails/state"


def of(url: str, name: str) -> Any:
    return next(found for found in get(url).json()["guards"] if found["name"] == name)


def test_it_shows_every_guard_of_the_process_and_those_by_key(watched: str) -> None:
    search = Guard("search-shown")
    with pytest.raises(ConnectionError):
        search.for_key("tenant-1").call(raising, ConnectionError("password=hunter2"))
    answer = get(watched)
    found = answer.json()
    assert (found["version"], found["pid"], found["running"]) == (1, os.getpid(), 0)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    child = of(watched, "search-shown[tenant-1]")
    assert (child["circuit"]["state"], child["circuit"]["failed"], child["last"]) == ("closed", 1, "ConnectionError")
    assert "hunter2" not in answer.text


def raising(error: Exception) -> None:
    raise error


def test_a_key_and_a_reason_that_hold_a_secret_are_redacted(watched: str) -> None:
    token = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    llm = Guard("llm-redacted")
    llm.for_key(token).isolate(f"key {token} is spent")
    text = get(watched).text
    assert token not in text
    assert "llm-redacted[" in text


def test_guards_in_trouble_are_shown_where_there_are_too_many(watched: str) -> None:
    many = Guard("many-keys")
    for key in range(300):
        many.for_key(key)
    many.for_key(299).isolate("test")
    names = [found["name"] for found in get(watched).json()["guards"] if found["name"].startswith("many-keys[")]
    assert (len(names), names[0], of(watched, "many-keys")["keys"]) == (200, "many-keys[299]", 300)


def test_who_may_see_it_is_the_users_decision(serve: Callable[[Any], str]) -> None:
    def allow(scope: Any) -> bool:
        return (b"x-ops", b"1") in scope["headers"]

    url = f"http://{serve(GuardMiddleware(backend(Gate()), state_path='/state', allow=allow))}/state"
    assert (get(url).status_code, get(url, headers={"x-ops": "1"}).status_code) == (403, 200)


def test_it_lies_below_the_root_path_of_a_proxy(serve: Callable[[Any], str]) -> None:
    inner = GuardMiddleware(backend(Gate()), state_path="/state")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "root_path": "/api"}, receive, send)

    assert get(f"http://{serve(app)}/api/state").status_code == 200


def test_a_post_does_nothing_unless_control_is_on(serve: Callable[[Any], str]) -> None:
    held = Guard("not-controlled")
    url = f"http://{serve(GuardMiddleware(backend(Gate()), state_path='/state'))}/state"
    answer = get(f"{url}?guard=not-controlled&action=isolate", "POST", headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["allow"], held.state) == (405, "GET", "closed")


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer wrong", SECRET, f"Bearer {SECRET}x", f"bearer {SECRET}"])
def test_without_the_secret_a_post_does_nothing(watched: str, sent: str | None) -> None:
    held = Guard("held-without")
    headers = {} if sent is None else {"authorization": sent}
    answer = get(f"{watched}?guard=held-without&action=isolate", "POST", headers=headers)
    assert (answer.status_code, held.state) == (401, "closed")


def test_with_the_secret_a_guard_is_isolated_and_released(watched: str) -> None:
    held = Guard("held-with")
    headers = {"authorization": f"Bearer {SECRET}"}
    query = {"guard": "held-with", "action": "isolate", "reason": "INC-7\r\nforged line " + "x" * 500}
    answer = get(watched, "POST", headers=headers, params=query)
    assert (answer.status_code, answer.json()) == (200, {"pid": os.getpid(), "changed": 1, "states": ["isolated"]})
    reason = of(watched, "held-with")["circuit"]["reason"]
    assert (reason[:19], len(reason), held.state) == ("INC-7  forged line ", 200, "isolated")
    answer = get(watched, "POST", headers=headers, params={"guard": "held-with", "action": "release"})
    assert (answer.json()["states"], held.state) == (["half-open"], "half-open")


@pytest.mark.parametrize(
    ("query", "status"),
    [("guard=nobody&action=isolate", 404), ("action=isolate", 404), ("guard=held-odd&action=trip", 400), ("", 400)],
)
def test_what_names_no_guard_or_no_action_is_refused(watched: str, query: str, status: int) -> None:
    held = Guard("held-odd")
    answer = get(f"{watched}?{query}", "POST", headers={"authorization": f"Bearer {SECRET}"})
    assert (answer.status_code, held.state) == (status, "closed")


def test_the_secret_is_compared_in_constant_time(watched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    answer = get(f"{watched}?guard=x&action=isolate", "POST", headers={"authorization": f"Bearer {SECRET}"})
    assert (answer.status_code, compared) == (401, [(f"Bearer {SECRET}".encode(), f"Bearer {SECRET}".encode())])


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        (
            {"longest_deadline": 0, "most_running": 0, "retry_after": 0.5},
            ["longest_deadline", "most_running", "retry_after"],
        ),
        ({"never_shed": "/health", "state_path": "state"}, ["path"]),
        ({"never_shed": ["health"], "state_path": "state"}, ["path", "path"]),
        ({"control": True, "secret": SECRET}, ["control"]),
        ({"control": True, "secret": "short-secret", "state_path": "/state"}, ["control"]),
    ],
)
def test_every_mistake_is_told_at_once_and_no_secret(wrong: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        GuardMiddleware(backend(Gate()), **wrong)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == names
    assert "short-secret" not in str(caught.value)


# What it must leave alone.


def test_a_websocket_passes_untouched(plain: str) -> None:
    address = plain.removeprefix("http://")
    host, _, port = address.partition(":")
    headers = {"guardrails-deadline": "5000", "x-request-id": "mine"}
    with (
        socket.create_connection((host, int(port))) as connection,
        connect(f"ws://{address}/ws", sock=connection, additional_headers=headers) as client,
    ):
        client.send("hello")
        assert client.recv(timeout=10) == "hello None None"


def test_lifespan_gets_the_very_objects_of_the_server() -> None:
    seen: list[object] = []

    async def app(*given: Any) -> None:
        seen.extend(given)

    given: Any = ({"type": "lifespan"}, object(), object())
    asyncio.run(GuardMiddleware(app)(*given))
    assert [id(one) for one in seen] == [id(one) for one in given]


def test_a_stream_is_not_held_back(serve: Callable[[Any], str]) -> None:
    gate = Gate()
    url = f"http://{serve(GuardMiddleware(backend(gate)))}"
    with httpx.Client(trust_env=False) as client, client.stream("GET", f"{url}/stream") as response:
        parts = response.iter_raw()
        assert next(parts) == b"first"
        assert gate.entered.acquire(timeout=10)
        gate.leave.set()
        assert list(parts) == [b"last"]


def test_a_client_that_goes_is_seen_by_the_application_as_before(serve: Callable[[Any], str]) -> None:
    gate = Gate()
    app = GuardMiddleware(waiting(gate), most_running=1)
    address = serve(app)
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert gate.entered.acquire(timeout=10)
    assert gate.disconnected.wait(10)


def waiting(gate: Gate) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            if message["type"] == "http.request":
                gate.entered.release()
        gate.disconnected.set()

    return app


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), asyncio.CancelledError(), KeyboardInterrupt()])
def test_an_exception_stays_the_one_it_was(error: BaseException) -> None:
    app = GuardMiddleware(failing(error), most_running=1)
    scope = {"type": "http", "path": "/", "headers": [(b"guardrails-deadline", b"5000")]}

    async def main() -> None:
        try:
            await app(scope, None, None)  # type: ignore[arg-type]
        except BaseException as caught:
            found.append((caught, remaining(), request_id(), app.running))

    found: list[Any] = []
    asyncio.run(main())
    assert found == [(error, None, None, 0)]


def failing(error: BaseException) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    return app


def test_an_application_of_bare_asgi_gets_its_body(serve: Callable[[Any], str]) -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 201})
        await send({"type": "http.response.body", "body": body})

    answer = get(f"http://{serve(GuardMiddleware(echo, most_running=1))}/", "POST", content=json.dumps([1] * 100_000))
    assert (answer.status_code, len(answer.json())) == (201, 100_000)
