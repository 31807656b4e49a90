"""Paths that a project asks of itself: in its tests, its own client and its pages.

Only a project whose routes are all known is judged: at least one application, every prefix a constant,
nothing mounted or registered in a loop. Elsewhere a path that seems unserved may well be served.
"""

from __future__ import annotations

import bisect
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.preflight.checks.matching import SYMBOL, could_match, parse
from guardrails.source import Role
from guardrails.source.files import role_of, text_of
from guardrails.source.model import Bind, Scope
from guardrails.source.names import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.preflight.checks.matching import Segment
    from guardrails.preflight.checks.routing import Table
    from guardrails.source import Module, Names, Project
    from guardrails.source.model import Request
    from guardrails.source.names import Meaning

# What FastAPI and Flask serve unasked.
IMPLICIT = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/static/{path:path}")
TEST_CLIENTS = r"(fastapi|starlette)\.testclient\.TestClient|flask\.testing\.FlaskClient"
HTTP_CLIENTS = r"httpx2?(\.\w+)?\.(Client|AsyncClient)|requests(\.\w+)?\.Session"
LOCAL_URL = r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::(\d+))?(/[^\s\"'`)>\]|,;?#\\]*)?"
# A test that asks for what is not there does so on purpose.
ON_PURPOSE = r"404|not_?found|unknown|missing|invalid|non_?exist|no_such|wrong|bad_|removed|disabled|absent"
CURL_METHOD = r"(?:-X|--request)[ =]?([A-Z]+)"


class Asked(NamedTuple):
    """One request that nothing serves. `hint` names a route that differs in the method alone."""

    path: str
    line: int
    method: str
    asked: str
    role: Role
    hint: str


def unserved(project: Project, names: Names, table: Table) -> Iterator[Asked]:
    """What the project asks for and does not serve, when all that it serves is known."""
    served = _served(table)
    if served is None:
        return
    for path, line, method, asked, role in (*_from_code(project, names, table), *_from_pages(project, served)):
        path_only = asked.partition("?")[0].partition("#")[0]
        forms = (path_only, path_only.rstrip("/") or "/", path_only + "/")  # redirect_slashes
        fits = [(m, p) for m, p in served if any(could_match(p, form) for form in forms)]
        if not fits:
            yield Asked(path, line, method, path_only, role, "")
        elif not {method, "ANY"} & {m for m, _ in fits} and method not in ("HEAD", "OPTIONS"):
            methods = ", ".join(sorted({m for m, _ in fits}))
            yield Asked(path, line, method, path_only, role, f" (only {methods})")


def _served(table: Table) -> list[tuple[str, tuple[Segment, ...]]] | None:
    """(method, pattern) of every route. None: not all of them are known."""
    if table.open or not table.apps or any(SYMBOL in route.path for route in table.routes):
        return None
    if any(prefix is None or SYMBOL in prefix for prefix in table.prefixes.values()):
        return None
    if any(mount.prefix is None or SYMBOL in mount.prefix for mount in table.mounts):
        return None
    found = [(route.method, parse(full)) for app in table.apps for full, route, _ in table.flattened(app)]
    return [*found, *(("ANY", parse(path)) for path in (*IMPLICIT, *table.answered))]


def _from_code(project: Project, names: Names, table: Table) -> Iterator[tuple[str, int, str, str, Role]]:
    ports = own_ports(project)
    for module in project.modules.values():
        for request in module.requests:
            if request.verb not in ("request", "stream", "websocket_connect"):
                method, argument = request.verb.upper(), request.arguments[0]
            elif request.verb == "websocket_connect":
                method, argument = "WEBSOCKET", request.arguments[0]
            else:
                first = request.arguments[0]
                if len(request.arguments) < 2 or not (isinstance(first, list) and first[0] == "c"):
                    continue
                method, argument = str(first[1]).upper(), request.arguments[1]
            asked = _path(argument)
            above = _asks_itself(names, table, module, request, ports) if asked is not None else None
            if asked is not None and above is not None:
                yield module.path, request.line, method, above + asked, module.role


def _path(argument: object) -> str | None:
    """The asked path, with `{}` for what only the running program knows."""
    if not isinstance(argument, list):
        return None
    if argument[0] == "c" and isinstance(argument[1], str):
        text = argument[1]
    elif argument[0] == "f":
        text = "".join(str(part[1]) if isinstance(part, list) and part[0] == "c" else "{}" for part in argument[1])
    else:
        return None
    text = re.sub(r"^https?://(test|testserver|localhost|127\.0\.0\.1)(:\d+)?(?=/)", "", text)
    return text if text.startswith("/") and not text.startswith("//") else None


def _asks_itself(names: Names, table: Table, module: Module, request: Request, ports: set[str]) -> str | None:
    """The path that a client of this very application puts before what it asks. None: it is no such client."""
    if not isinstance(request.receiver, str):
        return None
    starts = [scope.line for scope in module.scopes]
    index = bisect.bisect_right(starts, request.line) - 1
    if re.search(ON_PURPOSE, module.path_to(index), re.IGNORECASE):
        return None
    kind = names.type_of(module, request.receiver, index, request.line) or _fixture(
        names, module, index, request.receiver
    )
    if not isinstance(kind, str):
        return None
    address = _address(names, table, module, request, index)
    above = re.sub(r"^\w+://[^/]*", "", address).rstrip("/")
    if re.fullmatch(TEST_CLIENTS, kind):
        return above
    # The project's own client: an HTTP client of this service's address, or in a module that names it.
    urls = [address] if address else module.local_urls
    is_own = any(match[1] in ports for url in urls if (match := re.match(LOCAL_URL, url)))
    return above if is_own and re.fullmatch(HTTP_CLIENTS, kind) else None


def _address(names: Names, table: Table, module: Module, request: Request, index: int) -> str:
    """The `base_url` that a client was made with; "" where there is none, or only the running program knows it."""
    meaning = names.find(module, request.receiver, index, request.line)
    bind = meaning.item if isinstance(meaning, Place) else None
    if not isinstance(meaning, Place) or not isinstance(bind, Bind):
        return ""
    if not isinstance(bind.value, list) or bind.value[0] != "()" or "base_url" not in bind.value[3]:
        return ""
    text = table.text(meaning.module, bind.value[3]["base_url"], bind.scope, bind.line)
    return text if text and SYMBOL not in text else ""


def _fixture(names: Names, module: Module, index: int, receiver: str) -> Meaning:
    """What pytest hands to an unannotated parameter of that name."""
    if module.role is not Role.TEST or not any(name == receiver for name, _ in module.scopes[index].params):
        return None
    folder = module.package
    while True:
        conftest = names.modules.get(f"{folder}/conftest.py" if folder else "conftest.py")
        for place in (module, conftest):
            found = place.names.get((0, receiver)) if place else None
            if place and found and isinstance(found[-1], Scope):
                for value in found[-1].returns:
                    kind = names.type_of(place, value, found[-1].number, None)
                    if kind is not None:
                        return kind
        if not folder:
            return None
        folder = posixpath.dirname(folder)


def own_ports(project: Project) -> set[str]:
    """The ports on which this project is started; 8000 where nothing says so, as uvicorn does."""
    found = {
        m[1] or m[2]
        for root in project.layout.roots
        for m in re.finditer(r"--port[ =](\d+)|:(\d{4,5})\b", root.command)
    }
    return found or {"8000"}


def _from_pages(
    project: Project, served: list[tuple[str, tuple[Segment, ...]]]
) -> Iterator[tuple[str, int, str, str, Role]]:
    """`curl http://localhost:8000/…` in the pages at the top of the project and under docs/."""
    ports = own_ports(project)
    for name in project.others:
        if not name.endswith(".md") or ("/" in name and not name.startswith("docs/")):
            continue
        for number, line in enumerate(text_of(project.base / name).splitlines(), 1):
            if "curl" not in line:
                continue
            for match in re.finditer(LOCAL_URL, line):
                if match[1] not in ports or not match[2]:
                    continue
                method = re.search(CURL_METHOD, line)
                asked = re.sub(r"[<{$][^/]*", "{}", match[2])
                default = "POST" if re.search(r"\s(-d|--data\S*|--json|-F)\b", line) else "GET"
                if not method and default == "GET" and line.rstrip().endswith("\\"):
                    # The method may stand in a later line: take the path alone.
                    fits = next((m for m, p in served if could_match(p, asked)), "GET")
                    default = fits if fits != "ANY" else "GET"
                yield name, number, method[1] if method else default, asked, role_of(name)
