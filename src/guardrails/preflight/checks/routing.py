"""Which routes a project registers on which router, and which router is included where.

Read from decorators, `add_api_route`, `include_router` and `register_blueprint`, with prefixes and
paths evaluated where they are constants. What cannot be evaluated makes the table *open*: rules that
need all routes then stay silent.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from guardrails.preflight.checks.matching import SYMBOL, Segment, from_flask, parse
from guardrails.preflight.checks.registrations import called_name, full_name, registration
from guardrails.source.model import Bind, Module, Scope
from guardrails.source.names import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.source import Names, Project
    from guardrails.source.model import Call, Decorator, Expr

# A line after every other: what a name means when its function returns.
AT_THE_END = 10**9
VERBS = frozenset({"get", "post", "put", "patch", "delete", "options", "head", "trace"})
CONSTRUCTORS = {
    "fastapi.FastAPI": "FastAPI",
    "fastapi.applications.FastAPI": "FastAPI",
    "fastapi.APIRouter": "FastAPI",
    "fastapi.routing.APIRouter": "FastAPI",
    "flask.Flask": "Flask",
    "flask.app.Flask": "Flask",
    "flask.Blueprint": "Flask",
    "flask.blueprints.Blueprint": "Flask",
}


class RouterId(NamedTuple):
    """The assignment that made a router: reassigning the name makes another one."""

    path: str
    scope: int
    name: str
    line: int


class Route(NamedTuple):
    """One method and path on one router. `where`: the function in which the registration runs (0: the module)."""

    router: RouterId
    framework: str
    method: str
    # As the code says it, and as Starlette would: Flask writes parameters in another form.
    said: str
    path: str
    pattern: tuple[Segment, ...]
    module: Module
    line: int
    where: int
    arm: str
    handler: str
    # Where the handler is defined; 0: it is named in a call, not decorated.
    defined: int


class Mount(NamedTuple):
    """`parent.include_router(child, prefix=…)`. `prefix` None: it cannot be known."""

    parent: RouterId
    child: RouterId
    framework: str
    prefix: str | None
    module: Module
    line: int
    where: int
    arm: str
    # The whole call in words: two calls that differ in anything are two different mounts.
    call: str


class Table:
    """All routes and mounts of one project."""

    def __init__(self, project: Project, names: Names) -> None:
        self.names = names
        self.routes: list[Route] = []
        self.mounts: list[Mount] = []
        # router -> its own prefix; None: not a constant
        self.prefixes: dict[RouterId, str | None] = {}
        # Routers that are the application itself, not a part of one.
        self.apps: set[RouterId] = set()
        # Paths that a middleware was given: it may answer them itself.
        self.answered: list[str] = []
        self._frameworks: dict[RouterId, str] = {}
        self.open = False
        for module in project.modules.values():
            for function in module.decorated:
                if function.is_function:
                    self._from_decorators(module, function)
            for call in module.calls:
                self._from_call(module, call)

    # Routes

    def _from_decorators(self, module: Module, function: Scope) -> None:
        if any("version" in str(called_name(decorator)).rpartition(".")[2] for decorator in function.decorators):
            # `@version(2)` beside the route: which of several handlers answers is decided by more than the path.
            self.open = True
            return
        # The bottom decorator registers first.
        for decorator in reversed(function.decorators):
            found = registration(self.names, module, function, decorator)
            if found is None and _looks_like_route(decorator):
                self.open = True
            if found is None or found.kind != "route" or not isinstance(decorator.expr, list):
                continue
            receiver, _, verb = str(called_name(decorator)).rpartition(".")
            _, _, arguments, keywords = decorator.expr
            path = arguments[0] if arguments else keywords.get("path", keywords.get("rule", "?"))
            self._add(
                module,
                receiver,
                verb,
                path,
                keywords,
                function.parent,
                decorator.line,
                function.arm,
                function,
            )

    def _add(
        self, module: Module, receiver: str, verb: str, path: Expr, keywords: dict[str, Expr],
        where: int, line: int, arm: str, handler: Scope | str,
    ) -> None:  # fmt: skip
        router = self.router(module, receiver, where, line)
        text = self.text(module, path, where, line)
        methods = _methods(verb, keywords)
        by_host = "subdomain" in keywords or "host" in keywords  # Flask tells such routes apart by more than the path
        if router is None or text is None or methods is None or by_host or ":loop" in arm:
            self.open = True
            return
        name, defined = (handler, 0) if isinstance(handler, str) else (handler.name, handler.line)
        framework = self._framework(module, router)
        matched = from_flask(text) if framework == "Flask" else text
        for method in methods:
            self.routes.append(
                Route(router, framework, method, text, matched, parse(matched), module, line, where, arm, name, defined)
            )

    # Mounts

    def _from_call(self, module: Module, call: Call) -> None:
        function = call.expr[1]
        if not isinstance(function, str):
            return
        receiver, _, verb = function.rpartition(".")
        if not receiver:
            return
        _, _, arguments, keywords = call.expr
        if verb in ("include_router", "register_blueprint"):
            self._mount(module, call, receiver, arguments, keywords)
        elif verb == "add_middleware":
            given = (self.text(module, value, call.scope, call.line) for value in keywords.values())
            self.answered += [path for path in given if path and path.startswith("/") and SYMBOL not in path]
        elif verb in ("add_api_route", "add_url_rule", "add_api_websocket_route", "add_route", "mount"):
            name = full_name(self.names, module, call.scope, function, call.line)
            if name is None or not name.startswith(("fastapi.", "flask.")):
                self.open = True
                return
            if verb != "add_api_route":
                self.open = True
                return
            path = arguments[0] if arguments else keywords.get("path", "?")
            handler = arguments[1] if len(arguments) > 1 else keywords.get("endpoint")
            shown = handler if isinstance(handler, str) else "?"
            self._add(module, receiver, "api_route", path, keywords, call.scope, call.line, call.arm, shown)

    def _mount(
        self, module: Module, call: Call, receiver: str, arguments: list[Expr], keywords: dict[str, Expr]
    ) -> None:
        parent = self.router(module, receiver, call.scope, call.line)
        child_name = arguments[0] if arguments else keywords.get("router", keywords.get("blueprint"))
        if isinstance(child_name, str):
            child = self.router(module, child_name, call.scope, call.line)
        else:
            child = self._made_by(module, child_name, call)
        if parent is None or child is None or ":loop" in call.arm:
            self.open = True
            return
        key = "prefix" if "prefix" in keywords else "url_prefix"
        given = keywords.get(key, "**" if "**" in keywords else ["c", ""])
        prefix = self.text(module, given, call.scope, call.line)
        if prefix is None:
            self.open = True
        self.mounts.append(
            Mount(
                parent,
                child,
                self._framework(module, child),
                prefix,
                module,
                call.line,
                call.scope,
                call.arm,
                repr(call.expr),
            )
        )

    # Routers

    def router(self, module: Module, dotted: str, scope: int, line: int) -> RouterId | None:
        """The identity of the router that a name means at a line."""
        meaning = self.names.find(module, dotted, scope, line)
        if isinstance(meaning, Place) and isinstance(meaning.item, Bind):
            bind = meaning.item
            identity = RouterId(meaning.module.path, bind.scope, bind.target, bind.line)
            if identity not in self.prefixes:
                self._learn(identity, meaning.module, bind)
            return identity
        if meaning is None and "." not in dotted:
            for index in module.enclosing(scope):
                if any(name == dotted for name, _ in module.scopes[index].params):
                    # A router handed in: one identity for each function that receives it.
                    identity = RouterId(module.path, index, dotted, 0)
                    self.prefixes.setdefault(identity, None)
                    return identity
        return None

    def _made_by(self, module: Module, value: Expr, call: Call) -> RouterId | None:
        """The router that a factory of the project makes and returns: `include_router(create_router(settings))`."""
        if not isinstance(value, list) or value[0] != "()" or not isinstance(value[1], str):
            return None
        meaning = self.names.find(module, value[1], call.scope, call.line)
        if not isinstance(meaning, Place) or not isinstance(meaning.item, Scope) or not meaning.item.is_function:
            return None
        made = meaning.item
        if len(made.returns) != 1 or not isinstance(made.returns[0], str):
            return None
        return self.router(meaning.module, made.returns[0], made.number, AT_THE_END)

    def _learn(self, identity: RouterId, module: Module, bind: Bind) -> None:
        value = bind.value
        keywords = value[3] if isinstance(value, list) and value[0] == "()" else {}
        prefix = keywords.get("prefix", keywords.get("url_prefix", "**" if "**" in keywords else ["c", ""]))
        self.prefixes[identity] = self.text(module, prefix, bind.scope, bind.line)
        kinds = self.names.ancestry(self.names.type_of(module, value, bind.scope, bind.line))
        if any(kind.endswith((".FastAPI", ".Flask")) for kind in kinds):
            self.apps.add(identity)
        if isinstance(value, list) and value[0] == "()" and not _is_constructor(self.names, module, bind):
            # Made by a factory or a subclass of the project's own: it may hold routes that no decorator shows.
            self.prefixes[identity] = None

    def _framework(self, module: Module, router: RouterId) -> str:
        if router not in self._frameworks:
            self._frameworks[router] = self._framework_of(module, router)
        return self._frameworks[router]

    def _framework_of(self, module: Module, router: RouterId) -> str:
        place = self.names.modules.get(router.path, module)
        for bind in place.binds:
            if (bind.scope, bind.target, bind.line) == (router.scope, router.name, router.line):
                kind = self.names.type_of(place, bind.value, bind.scope, bind.line)
                for name in self.names.ancestry(kind):
                    if name in CONSTRUCTORS:
                        return CONSTRUCTORS[name]
        return "FastAPI"

    # Values

    def text(self, module: Module, expr: Expr, scope: int, line: int, depth: int = 0) -> str | None:
        """A string expression's value; names that only the running program knows become symbols. None: not a string."""
        if depth > 8 or expr is None:
            return None
        if isinstance(expr, str):
            return self._text_of_name(module, expr, scope, line, depth)
        if expr[0] == "c":
            return expr[1] if isinstance(expr[1], str) else None
        if expr[0] == "f":
            parts = [self.text(module, part, scope, line, depth + 1) for part in expr[1]]
        elif expr[0] == "+":
            parts = [self.text(module, part, scope, line, depth + 1) for part in expr[1:]]
        else:
            return None
        return None if None in parts else "".join(part for part in parts if part is not None)

    def _text_of_name(self, module: Module, name: str, scope: int, line: int, depth: int) -> str | None:
        meaning = self.names.find(module, name, scope, line)
        if isinstance(meaning, str):
            return f"{SYMBOL}{meaning}{SYMBOL}"
        if meaning is None or not isinstance(meaning.item, Bind):
            return f"{SYMBOL}{name}{SYMBOL}" if meaning is None and "." in name else None
        place, bind = meaning.module, meaning.item
        if place.scopes[bind.scope].kind == "class":
            # A field of a settings class: its default may be overridden by the environment.
            return f"{SYMBOL}{place.path_to(bind.scope)}.{bind.target}{SYMBOL}"
        if len(place.names.get((bind.scope, bind.target), ())) != 1 or bind.arm:
            return None
        return self.text(place, bind.value, bind.scope, bind.line, depth + 1)

    # The whole

    @cached_property
    def _on(self) -> dict[RouterId, list[Route | Mount]]:
        """What each router holds."""
        held: dict[RouterId, list[Route | Mount]] = {}
        for route in self.routes:
            held.setdefault(route.router, []).append(route)
        for mount in self.mounts:
            held.setdefault(mount.parent, []).append(mount)
        return held

    def flattened(
        self, parent: RouterId, prefix: str = "", depth: int = 0, *, own: str | None = None, sure: bool = True
    ) -> Iterator[tuple[str, Route, bool]]:
        """(full path, route, sure) for all that a router serves, its own routes and those of what it includes.

        `own` replaces the router's own prefix. `sure`: neither the route nor what includes it stands in a branch.
        """
        own = self.prefixes.get(parent) if own is None else own
        if depth > 8 or own is None:
            return
        base = prefix + own
        # In the order of lines: between modules nobody can tell which was imported first.
        for item in sorted(self._on.get(parent, ()), key=lambda item: (item.module.path, item.line)):
            if isinstance(item, Mount) and item.prefix is None:
                continue
            if isinstance(item, Route):
                yield base + item.path, item, sure and not item.arm
                continue
            always = sure and not item.arm
            if item.framework == "Flask":
                # Flask: the prefix given at registration replaces the blueprint's own.
                yield from self.flattened(item.child, base, depth + 1, own=item.prefix or None, sure=always)
            else:
                yield from self.flattened(item.child, base + (item.prefix or ""), depth + 1, sure=always)


def _looks_like_route(decorator: Decorator) -> bool:
    """`@something.get("/path")`, whatever something is."""
    verb = str(called_name(decorator)).rpartition(".")[2]
    if verb not in (*VERBS, "route", "api_route", "websocket") or not isinstance(decorator.expr, list):
        return False
    first = next(iter(decorator.expr[2]), None)
    return isinstance(first, list) and first[0] == "c" and str(first[1]).startswith("/")


def _methods(verb: str, keywords: dict[str, Expr]) -> list[str] | None:
    """The HTTP methods of one registration. None: they cannot be known."""
    if verb in VERBS:
        return [verb.upper()]
    if verb.startswith("websocket"):
        return ["WEBSOCKET"]
    methods = keywords.get("methods")
    if methods is None:
        return ["GET"]
    if not isinstance(methods, list) or methods[0] != "[]":
        return None
    values = [m[1] for m in methods[1] if isinstance(m, list) and m[0] == "c" and isinstance(m[1], str)]
    return [value.upper() for value in values] if len(values) == len(methods[1]) else None


def _is_constructor(names: Names, module: Module, bind: Bind) -> bool:
    function = bind.value[1]
    if not isinstance(function, str):
        return False
    meaning = names.find(module, function, bind.scope, bind.line)
    return isinstance(meaning, str) and meaning in CONSTRUCTORS
