"""Starlette and FastAPI behind a real uvicorn: what breaks the plain host arrives by ours."""

from __future__ import annotations

import datetime as dt
import math
import socket
import subprocess
import sys
import threading
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, WebSocket
from pydantic import PlainSerializer
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from guardrails import hooks, jsonsafe
from guardrails.middleware.starlette import SafeJSONResponse, send_json
from tests.support import SRC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CASES: dict[str, tuple[object, object]] = {
    "uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "datetime": (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00+00:00"),
    "decimal": (Decimal("1.10"), "1.10"),
    "path": (PurePosixPath("/srv/a"), "/srv/a"),
    "set": ({2, 1}, [1, 2]),
    "nan": (math.nan, None),
    "odd-object": (threading.Lock(), {"$lost": "opaque", "$type": "_thread.lock"}),
    "lone-surrogate": ("a\ud800", "a\\ud800"),
}
# What FastAPI's own encoding of a returned value does not survive, or passes on to a response class that does not.
BREAKS_FASTAPI = ["nan", "odd-object", "lone-surrogate"]
Anything = Annotated[Any, PlainSerializer(jsonsafe.default)]


def endpoints(app: FastAPI) -> FastAPI:
    @app.get("/by-hand/{kind}")
    async def by_hand(kind: str) -> SafeJSONResponse:
        return SafeJSONResponse({"value": CASES[kind][0]}, 202, {"x-kept": "yes"})

    @app.get("/by-the-hosts-class/{kind}")
    async def by_the_hosts_class(kind: str) -> JSONResponse:
        return JSONResponse({"value": CASES[kind][0]})

    @app.get("/returned/{kind}", response_model=None)
    def returned(kind: str) -> dict[str, object]:
        return {"value": CASES[kind][0]}

    @app.get("/return-type/{kind}", response_model=Anything)
    def return_type(kind: str) -> dict[str, object]:
        return {"value": CASES[kind][0]}

    @app.get("/refused/{kind}")
    def refused(kind: str) -> None:
        raise HTTPException(409, detail={"value": CASES[kind][0]}, headers={"x-kept": "yes"})

    return app


def plain_app() -> FastAPI:
    app = endpoints(FastAPI())

    @app.websocket("/ours/{kind}")
    async def ours(websocket: WebSocket, kind: str) -> None:
        await websocket.accept()
        await send_json(websocket, {"value": CASES[kind][0]})
        await websocket.close()

    @app.websocket("/hosts/{kind}")
    async def hosts(websocket: WebSocket, kind: str) -> None:
        await websocket.accept()
        await websocket.send_json({"value": CASES[kind][0]})
        await websocket.close()

    @app.websocket("/early")
    async def early(websocket: WebSocket) -> None:
        try:
            await send_json(websocket, 1)
        except RuntimeError as exc:
            await websocket.accept()
            await websocket.send_text(str(exc))

    return app


def safe_app() -> FastAPI:
    app = endpoints(FastAPI(default_response_class=SafeJSONResponse))

    @app.exception_handler(HTTPException)
    async def answer(_: object, exc: HTTPException) -> SafeJSONResponse:
        return SafeJSONResponse({"detail": exc.detail}, exc.status_code, exc.headers)

    async def by_hand(request: Any) -> SafeJSONResponse:
        return SafeJSONResponse({"value": CASES[request.path_params["kind"]][0]})

    app.mount("/starlette", Starlette(routes=[Route("/{kind}", by_hand)]))
    return app


@pytest.fixture(scope="module")
def plain(serve: Callable[[Any], str]) -> str:
    return serve(plain_app())


@pytest.fixture(scope="module")
def safe(serve: Callable[[Any], str]) -> str:
    return serve(safe_app())


@pytest.fixture
def losses() -> Iterator[list[Mapping[str, str]]]:
    found: list[Mapping[str, str]] = []
    stop = hooks.listen(lambda name, _, labels: found.append(labels) if name == "json_lossy_total" else None)
    yield found
    stop()


def get(server: str, path: str) -> httpx.Response:
    # No proxy of the environment stands between a test and its own server.
    with httpx.Client(trust_env=False) as client:
        return client.get(f"http://{server}/{path}")


def first_message(server: str, path: str) -> str:
    address, _, port = server.partition(":")
    with (
        socket.create_connection((address, int(port))) as connection,
        connect(f"ws://{server}/{path}", sock=connection) as client,
    ):
        message = client.recv(timeout=10)
    assert isinstance(message, str)
    return message


@pytest.mark.parametrize("kind", CASES)
def test_a_response_by_hand_writes_it(plain: str, kind: str) -> None:
    answer = get(plain, f"by-hand/{kind}")
    assert jsonsafe.loads(answer.content) == {"value": CASES[kind][1]}
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")
    assert answer.headers["x-kept"] == "yes"


@pytest.mark.parametrize("kind", CASES)
def test_the_hosts_own_response_class_answers_500(plain: str, kind: str) -> None:
    assert get(plain, f"by-the-hosts-class/{kind}").status_code == 500


@pytest.mark.parametrize("kind", CASES)
def test_a_response_of_starlette_alone_writes_it(safe: str, kind: str) -> None:
    assert jsonsafe.loads(get(safe, f"starlette/{kind}").content) == {"value": CASES[kind][1]}


@pytest.mark.parametrize("kind", CASES)
def test_a_fastapi_return_type_writes_what_an_endpoint_returns(plain: str, safe: str, kind: str) -> None:
    for server in (plain, safe):
        assert jsonsafe.loads(get(server, f"return-type/{kind}").content) == {"value": CASES[kind][1]}


@pytest.mark.parametrize("kind", BREAKS_FASTAPI)
def test_a_plain_fastapi_answers_500_to_what_an_endpoint_returns(plain: str, kind: str) -> None:
    assert get(plain, f"returned/{kind}").status_code == 500


def test_the_default_response_class_mends_what_gets_past_fastapi_and_no_more(safe: str) -> None:
    answers = {kind: get(safe, f"returned/{kind}") for kind in CASES}
    written = {kind: answer.json()["value"] for kind, answer in answers.items() if answer.status_code == 200}
    expected = {kind: value for kind, (_, value) in CASES.items() if kind != "odd-object"}
    # FastAPI makes a float of a Decimal before a response class sees it.
    assert written == {**expected, "decimal": 1.1}
    assert answers["odd-object"].status_code == 500


@pytest.mark.parametrize("kind", CASES)
def test_an_exception_handler_keeps_the_status_of_a_refusal(plain: str, safe: str, kind: str) -> None:
    assert get(plain, f"refused/{kind}").status_code == 500
    answer = get(safe, f"refused/{kind}")
    assert (answer.status_code, answer.headers["x-kept"]) == (409, "yes")
    assert answer.json() == {"detail": {"value": CASES[kind][1]}}


def test_the_schema_of_the_application_is_still_made(safe: str) -> None:
    paths = get(safe, "openapi.json").json()["paths"]
    for path in ("/by-hand/{kind}", "/return-type/{kind}"):
        assert list(paths[path]["get"]["responses"]["200"]["content"]) == ["application/json"]


@pytest.mark.parametrize("kind", CASES)
def test_a_websocket_message_arrives(plain: str, kind: str) -> None:
    assert jsonsafe.loads(first_message(plain, f"ours/{kind}")) == {"value": CASES[kind][1]}


@pytest.mark.parametrize("kind", CASES)
def test_the_hosts_own_websocket_message_does_not(plain: str, kind: str) -> None:
    if kind == "nan":  # sent, but no browser can read it
        assert first_message(plain, f"hosts/{kind}") == '{"value":NaN}'
    else:
        with pytest.raises(ConnectionClosed):
            first_message(plain, f"hosts/{kind}")


def test_a_message_before_the_handshake_is_refused_as_the_host_refuses_it(plain: str) -> None:
    assert "accept" in first_message(plain, "early")


def test_a_loss_on_the_way_to_a_client_is_counted(plain: str, losses: list[Mapping[str, str]]) -> None:
    get(plain, "by-hand/uuid")
    assert losses == []
    get(plain, "by-hand/nan")
    first_message(plain, "ours/odd-object")
    assert losses == [{"profile": "js", "reason": "nan"}, {"profile": "js", "reason": "opaque"}]


def test_without_starlette_the_error_says_what_to_install() -> None:
    code = f"import sys; sys.path.append({str(SRC.parent)!r}); import guardrails.middleware.starlette"
    argv = [sys.executable, "-I", "-S", "-c", code]  # the standard library alone
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: No module named 'starlette'" in result.stderr
    assert "pip install 'guardrails-ops[fastapi]'" in result.stderr


def test_a_module_that_starlette_lacks_is_another_error() -> None:
    code = "import sys; sys.modules['starlette.responses'] = None; import guardrails.middleware.starlette"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "starlette.responses" in result.stderr
    assert "pip install" not in result.stderr
