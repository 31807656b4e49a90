"""Decorators that hand a function to a framework: which they are, and what they return.

Facts about the frameworks, checked against the releases named in the tests: a task decorator returns a
task object and keeps the function it was given; a route or hook decorator returns that same function.
Whatever stands *above* it therefore wraps something that the framework never calls.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from guardrails.source.model import Scope
from guardrails.source.names import Place

if TYPE_CHECKING:
    from guardrails.source import Module, Names
    from guardrails.source.model import Decorator

HTTP = "get|post|put|patch|delete|options|head|trace"


class Registration(NamedTuple):
    """`kind`: task, route or hook. `lost`: what the name no longer has when something wraps the result."""

    kind: Literal["task", "route", "hook"]
    framework: str
    lost: str


# Patterns stay text until a decorator is met: compiling them all is a tenth of the start of the command.
_TABLE: tuple[tuple[str, Registration], ...] = tuple(
    (pattern, Registration(kind, framework, lost))  # type: ignore[arg-type]
    for pattern, kind, framework, lost in (
        (r"celery(\.app(\.base)?)?\.Celery\.task", "task", "Celery", ".delay and .apply_async"),
        (r"celery(\.app)?\.shared_task", "task", "Celery", ".delay and .apply_async"),
        (r"taskiq\w*(\.\w+)*\.\w*Broker\.task", "task", "TaskIQ", ".kiq"),
        (r"taskiq(\.\w+)*\.async_shared_broker\.task", "task", "TaskIQ", ".kiq"),
        (r"dramatiq(\.\w+)?\.actor", "task", "Dramatiq", ".send"),
        (r"dramatiq(\.\w+)*\.\w*Broker\.actor", "task", "Dramatiq", ".send"),
        (rf"fastapi(\.applications|\.routing)?\.(FastAPI|APIRouter)\.({HTTP}|api_route|route|websocket|websocket_route)", "route", "FastAPI", ""),
        (rf"(flask|quart)(\.\w+)?\.(Flask|Quart|Blueprint)\.({HTTP}|route|websocket)", "route", "Flask", ""),
        (r"fastapi(\.applications|\.routing)?\.(FastAPI|APIRouter)\.(middleware|exception_handler|on_event)", "hook", "FastAPI", ""),
        (r"(flask|quart)(\.\w+)?\.(Flask|Quart|Blueprint)\.(before_(app_)?request|after_(app_)?request|(app_)?errorhandler|teardown_\w+|(app_)?context_processor|(app_)?template_(filter|global|test))", "hook", "Flask", ""),
        (r"django\.dispatch(\.dispatcher)?\.receiver", "hook", "Django", ""),
        (r"django\.template(\.library)?\.Library\.(filter|simple_tag|simple_block_tag|inclusion_tag|tag)", "hook", "Django", ""),
        (r"celery\.signals\.\w+\.connect", "hook", "Celery", ""),
    )
)  # fmt: skip


def called_name(decorator: Decorator) -> str | None:
    """The dotted name of what is applied: of `x.y` and of `x.y(...)`."""
    expr = decorator.expr
    if isinstance(expr, list) and expr[0] == "()":
        expr = expr[1]
    return expr if isinstance(expr, str) else None


def full_name(names: Names, module: Module, scope: int, dotted: str, line: int) -> str | None:
    """The full foreign name of `receiver.attribute`, through instances, subclasses and annotated parameters."""
    meaning = names.find(module, dotted, scope, line)
    if isinstance(meaning, str):
        return meaning
    receiver, _, attribute = dotted.rpartition(".")
    if meaning is None and receiver:
        kind = names.type_of(module, receiver, scope, line)
        for ancestor in names.ancestry(kind):
            return f"{ancestor}.{attribute}"
    return None


def registration(names: Names, module: Module, function: Scope, decorator: Decorator) -> Registration | None:
    """What this decorator registers the function with, if it is known to register."""
    dotted = called_name(decorator)
    if dotted is None:
        return None
    name = full_name(names, module, function.parent, dotted, decorator.line)
    if name is None:
        return None
    return _entry(name)


@cache
def _entry(name: str) -> Registration | None:
    return next((entry for pattern, entry in _TABLE if re.fullmatch(pattern, name)), None)


# What a decorator makes of its function

Effect = Literal["wraps", "keeps", "unknown"]

_WRAPS = (
    r"functools\.(lru_cache|cache|singledispatch)|contextlib\.(async)?contextmanager|tenacity\.retry|stamina\.retry"
    r"|backoff\.on_(exception|predicate)|retrying\.retry|circuitbreaker\.circuit|pybreaker\.CircuitBreaker"
    r"|aiobreaker\.CircuitBreaker|asgiref\.sync\.(sync_to_async|async_to_sync)|django\.db\.transaction\.atomic"
    r"|django\.contrib\.auth\.decorators\.\w+|django\.views\.decorators(\.\w+)+|flask_login(\.utils)?\.(login_required|fresh_login_required)"
    r"|flask_jwt_extended(\.\w+)*\.jwt_required|slowapi(\.\w+)*\.Limiter\.(limit|shared_limit)|flask_limiter(\.\w+)*\.Limiter\.(limit|shared_limit)"
    r"|fastapi_cache\.decorator\.cache|cachetools(\.func)?\.\w*cache\w*|cachetools\.cached|aiocache(\.\w+)*\.cached|ratelimit\.\w+"
    r"|dependency_injector\.wiring\.inject|dishka\.integrations\.\w+\.inject|pydantic\.validate_call|typeguard\.typechecked"
    r"|prometheus_client(\.\w+)?\.(Histogram|Summary)\.time|prometheus_client(\.\w+)?\.Gauge\.track_inprogress"
    r"|prometheus_client(\.\w+)?\.Counter\.count_exceptions|opentelemetry(\.\w+)*\.start_as_current_span|timeout_decorator\.timeout"
)  # fmt: skip
_KEEPS = r"(typing|typing_extensions)\.(override|final|no_type_check|overload|runtime_checkable)|atexit\.register|pytest(\.\w+)+"
_MARKS = r"(typing_extensions|warnings)\.deprecated"
_BUILTINS_THAT_KEEP = frozenset({"staticmethod", "classmethod", "property"})


class Wrapping(NamedTuple):
    """What a decorator does. `place` says where the project defines it; `only_marks`: it warns, no more."""

    effect: Effect
    place: str | None = None
    only_marks: bool = False


def effect_of(names: Names, module: Module, function: Scope, decorator: Decorator) -> Wrapping:
    """Whether a decorator returns the function it was given or something else in its place."""
    dotted = called_name(decorator)
    if dotted is None:
        return Wrapping("unknown")
    called = isinstance(decorator.expr, list)
    meaning = names.find(module, dotted, function.parent, decorator.line)
    if isinstance(meaning, Place) and isinstance(meaning.item, Scope):
        effect = _Reader(names).effect(meaning.module, meaning.item, called=called)
        return Wrapping(effect, f"{meaning.module.path}:{meaning.item.line}")
    name = meaning if isinstance(meaning, str) else full_name(names, module, function.parent, dotted, decorator.line)
    return _foreign(name, dotted)


@cache
def _foreign(name: str | None, dotted: str) -> Wrapping:
    if name is None:
        return Wrapping("keeps" if dotted in _BUILTINS_THAT_KEEP else "unknown")
    if re.fullmatch(_MARKS, name):
        return Wrapping("wraps", only_marks=True)
    if re.fullmatch(_WRAPS, name):
        return Wrapping("wraps")
    if re.fullmatch(_KEEPS, name) or _entry(name) is not None:
        return Wrapping("keeps")
    return Wrapping("unknown")


class _Reader:
    """Reads a decorator's own code: does it return its argument, or something that it made?"""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.seen: set[tuple[str, int, bool]] = set()

    def effect(self, module: Module, item: Scope, *, called: bool) -> Effect:
        """`called`: it was used as `@name(...)`, so what it returns is the decorator."""
        key = (module.path, item.number, called)
        if key in self.seen:
            return "unknown"
        self.seen.add(key)
        if item.kind == "class":
            return self._class(module, item, called=called)
        if any(str(d.expr).endswith("contextmanager") for d in item.decorators):
            return "wraps" if called else "unknown"
        first = self._first_parameter(module, item)
        effects = {e for value in item.returns if (e := self._of_value(module, item, value, first, called=called))}
        if "wraps" in effects:
            return "wraps"
        return "keeps" if effects == {"keeps"} else "unknown"

    def _class(self, module: Module, item: Scope, *, called: bool) -> Effect:
        bases = self.names.ancestry(Place(module, item))
        if any(base.endswith("ContextDecorator") for base in bases):
            return "wraps"
        call = module.names.get((item.number, "__call__"))
        if not call or not isinstance(call[-1], Scope):
            return "unknown"
        return self.effect(module, call[-1], called=False) if called else "wraps"

    def _first_parameter(self, module: Module, item: Scope) -> str:
        params = [name for name, _ in item.params]
        in_class = item.parent >= 0 and module.scopes[item.parent].kind == "class"
        if in_class and params[:1] and params[0] in ("self", "cls"):
            params = params[1:]
        return params[0] if params else ""

    def _of_value(self, module: Module, item: Scope, value: object, first: str, *, called: bool) -> Effect | None:
        """The effect if this is what the decorator returns. None: the value belongs to its other way of use."""
        if isinstance(value, str):
            return self._of_name(module, item, value, first, called=called)
        if not isinstance(value, list):
            return "unknown"
        if value[0] == "|":
            effects = {self._of_value(module, item, part, first, called=called) for part in value[1]}
            return "wraps" if "wraps" in effects else "keeps" if "keeps" in effects else None
        if value[0] != "()":
            return "unknown"
        return self._of_call(module, item, value, first, called=called)

    def _of_name(self, module: Module, item: Scope, name: str, first: str, *, called: bool) -> Effect | None:
        if name == first:
            return None if called else "keeps"
        inner = module.names.get((item.number, name), [None])[-1]
        if isinstance(inner, Scope):
            if called:
                return self.effect(module, inner, called=False)
            # `def deco(func=None): def outer(f): …; return outer if func is None else outer(func)`
            hands_on = any(self._hands_on(value, name, first) for value in item.returns)
            return None if hands_on else "wraps"
        return "unknown"

    def _hands_on(self, value: object, name: str, first: str) -> bool:
        if isinstance(value, list) and value[0] == "|":
            return any(self._hands_on(part, name, first) for part in value[1])
        return isinstance(value, list) and value[0] == "()" and value[1] == name and value[2][:1] == [first]

    def _of_call(self, module: Module, item: Scope, value: list, first: str, *, called: bool) -> Effect | None:  # type: ignore[type-arg]
        function, arguments = value[1], value[2]
        tail = str(function).rpartition(".")[2] if isinstance(function, str) else ""
        if tail == "cast" and len(arguments) == 2:
            return self._of_value(module, item, arguments[1], first, called=called)
        if tail == "update_wrapper":
            return "wraps"
        if tail == "partial" and not called:
            return "wraps" if first in arguments else None  # without it: `@name(…)` is meant
        if tail == "partial" and arguments and isinstance(arguments[0], str):
            return self._applied(module, item, arguments[0], called=False)
        if isinstance(function, list) and function[0] == "()" and str(function[1]).endswith("wraps"):
            return "wraps"  # functools.wraps(func)(wrapper)
        if isinstance(function, str) and first in arguments:
            return self._applied(module, item, function, called=False) if not called else None
        if isinstance(function, list) and function[0] == "()" and isinstance(function[1], str) and first in arguments:
            return self._applied(module, item, function[1], called=True)  # retry(...)(func)
        if isinstance(function, str) and called:
            return self._applied(module, item, function, called=True)
        return "unknown"

    def _applied(self, module: Module, item: Scope, dotted: str, *, called: bool) -> Effect:
        meaning = self.names.find(module, dotted, item.number)
        if isinstance(meaning, Place):
            return (
                self.effect(meaning.module, meaning.item, called=called)
                if isinstance(meaning.item, Scope)
                else "unknown"
            )
        return _foreign(meaning, dotted).effect
