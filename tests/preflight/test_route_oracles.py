"""What GR-ROUTE says of frameworks is so: each defect bites in the real FastAPI or Flask, its repair does not."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from flask import Blueprint, Flask

from tests.preflight.cases import corpus, found, gate, write_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


def ask(app: FastAPI, path: str, method: str = "GET") -> tuple[int, object]:
    """Status and JSON of one request."""

    async def asked() -> tuple[int, object]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.request(method, path)
            return answer.status_code, answer.json()

    return asyncio.run(asked())


def saying(word: str) -> Callable[[], str]:
    def handler() -> str:
        return word

    return handler


def test_the_first_of_two_handlers_for_one_path_answers_whatever_the_parameter_is_called() -> None:
    app = FastAPI()
    app.get("/{chat_id}")(saying("first"))
    app.get("/{conversation_id}")(saying("second"))
    assert ask(app, "/42") == (200, "first")


def test_a_parameter_takes_the_fixed_word_of_a_later_route() -> None:
    app = FastAPI()

    @app.get("/{chat_id}")
    def read(chat_id: int) -> str:
        return "read"

    @app.get("/export")
    def export() -> str:
        return "export"

    status, _ = ask(app, "/export")
    assert status == 422


def test_the_specific_route_first_is_reached() -> None:
    app = FastAPI()
    app.get("/export")(saying("export"))
    app.get("/{chat_id}")(saying("read"))
    assert [ask(app, "/export"), ask(app, "/42")] == [(200, "export"), (200, "read")]


@pytest.mark.parametrize(
    ("earlier", "later", "asked", "answer"),
    [
        ("/items/{item:int}", "/items/latest", "/items/latest", "later"),
        ("/files/{path:path}", "/files", "/files", "later"),
        ("/files/{path:path}", "/files/a/b", "/files/a/b", "earlier"),
        ("/{name}", "/v{path:path}", "/v1/x", "later"),
        ("/{0}", "/zero", "/zero", "later"),
        ("/x/{x:float}", "/x/{n:int}", "/x/1", "earlier"),
        ("/items", "/items/", "/items/", "later"),
    ],
)
def test_converters_match_as_the_rule_believes(earlier: str, later: str, asked: str, answer: str) -> None:
    app = FastAPI()
    app.add_api_route(earlier, saying("earlier"))
    app.add_api_route(later, saying("later"))
    assert ask(app, asked) == (200, answer)


def test_prefixes_of_router_and_include_are_joined() -> None:
    router = APIRouter(prefix="/memory")
    router.get("/search")(saying("found"))
    doubled, sound = FastAPI(), FastAPI()
    doubled.include_router(router, prefix="/memory")
    sound.include_router(router)
    assert ask(doubled, "/memory/search")[0] == 404
    assert ask(doubled, "/memory/memory/search") == (200, "found")
    assert ask(sound, "/memory/search") == (200, "found")


def test_a_router_included_twice_describes_every_route_twice() -> None:
    router = APIRouter()
    router.get("/status")(saying("up"))
    app = FastAPI()
    app.include_router(router)
    app.include_router(router)
    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        app.openapi()
    assert ask(app, "/status") == (200, "up")


def test_a_router_included_twice_starts_up_twice() -> None:
    started = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        started.append("up")
        yield

    async def run(app: FastAPI) -> None:
        async with app.router.lifespan_context(app):
            pass

    router = APIRouter(lifespan=lifespan)
    app = FastAPI()
    app.include_router(router)
    app.include_router(router)
    asyncio.run(run(app))
    assert started == ["up", "up"]


def test_a_router_under_two_prefixes_answers_under_both() -> None:
    router = APIRouter()
    router.get("/status")(saying("up"))
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.openapi()
    assert [ask(app, "/v1/status"), ask(app, "/v2/status")] == [(200, "up"), (200, "up")]


@pytest.mark.parametrize("order", [("chat", "legacy"), ("legacy", "chat")])
def test_of_two_routers_under_one_prefix_the_one_included_first_answers(order: tuple[str, str]) -> None:
    app = FastAPI()
    for name in order:
        router = APIRouter()
        router.get("/{chat_id}")(saying(name))
        app.include_router(router, prefix="/chat")
    assert ask(app, "/chat/42") == (200, order[0])


def test_a_trailing_slash_is_redirected_and_another_path_is_not() -> None:
    app = FastAPI()
    app.get("/chats")(saying("all"))

    async def asked(path: str) -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", follow_redirects=True) as client:
            return (await client.get(path)).status_code

    assert [asyncio.run(asked(path)) for path in ("/chats/", "/chat")] == [200, 404]


def flask_says(app: Flask, path: str) -> str:
    return app.test_client().get(path).get_data(as_text=True)


def test_the_first_of_two_flask_rules_answers() -> None:
    app = Flask("test")
    app.add_url_rule("/<int:user_id>", "first", lambda user_id: "first")
    app.add_url_rule("/<int:id>", "second", lambda **_: "second")
    assert flask_says(app, "/42") == "first"


@pytest.mark.parametrize("rules", [("/users/<name>", "/users/me"), ("/users/me", "/users/<name>")])
def test_flask_finds_the_specific_rule_in_any_order(rules: tuple[str, str]) -> None:
    app = Flask("test")
    for rule in rules:
        app.add_url_rule(rule, rule, lambda rule=rule, **_: rule)
    assert flask_says(app, "/users/me") == "/users/me"


def test_flask_rules_whose_converters_have_other_arguments_are_two_rules() -> None:
    app = Flask("test")
    app.add_url_rule("/<string(length=2):language>", "language", lambda language: "language")
    app.add_url_rule("/<string(length=3):currency>", "currency", lambda currency: "currency")
    assert [flask_says(app, "/de"), flask_says(app, "/eur")] == ["language", "currency"]


def test_the_prefix_of_a_registration_replaces_that_of_a_flask_blueprint() -> None:
    blueprint = Blueprint("users", "test", url_prefix="/users")
    blueprint.add_url_rule("/all", "all", lambda: "all")
    app = Flask("test")
    app.register_blueprint(blueprint, url_prefix="/api")
    assert flask_says(app, "/api/all") == "all"
    assert app.test_client().get("/api/users/all").status_code == 404


@pytest.mark.usefixtures("no_processes")
def test_the_gate_agrees_with_fastapi_about_its_own_corpus(tmp_path: Path) -> None:
    """Run the first defect of GR-ROUTE-002 for real: the route that the gate calls unreachable is."""
    case = next(c for c in corpus() if c.rule == "GR-ROUTE-002" and "fixed word behind" in c.name)
    (finding,) = found(gate(write_files(tmp_path, case.files)))
    namespace: dict[str, object] = {}
    exec(compile(case.files[finding.path], finding.path, "exec"), namespace)
    app = FastAPI()
    app.include_router(namespace["router"])  # type: ignore[arg-type]
    assert ask(app, "/chats/export")[0] == 422
