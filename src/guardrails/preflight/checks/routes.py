"""GR-ROUTE: handlers that no request reaches, paths that come out doubled, and paths that nobody serves.

The first match in the order of registration wins. Only what is certain is an error: one router, one
method, registered by the same function, neither in a branch that the other is not in. Specific before
generic is how it should be and is not reported.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight.checks import callers
from guardrails.preflight.checks.matching import SYMBOL, covers, parse, shown
from guardrails.preflight.checks.routing import Mount, Route, RouterId, Table
from guardrails.preflight.rule import Rule, weakened
from guardrails.source.model import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.context import Context

_VERIFY = "guardrails preflight --static --select GR-ROUTE"

DUPLICATE = Rule(
    id="GR-ROUTE-001",
    title="two handlers for one method and path on one router",
    severity=Severity.ERROR,
    why="The first one registered answers every request; the second, with its checks and fixes, is dead, though the API description may show it.",
    fix="Delete one of the two handlers, or give it a path of its own.",
    verify=_VERIFY,
    bad='@router.get("/{chat_id}")\ndef read(chat_id: str): ...\n\n@router.get("/{conversation_id}")\ndef read_or_404(conversation_id: str): ...',
    good='@router.get("/{chat_id}")\ndef read_or_404(chat_id: str): ...',
    runbook="route-conflict",
)
UNREACHABLE = Rule(
    id="GR-ROUTE-002",
    title="a route behind an earlier parameter route",
    severity=Severity.ERROR,
    why="The parameter takes the fixed word as its value: requests meant for the later route get the wrong answer, 404 or 422.",
    fix="Register the specific route before the one with the parameter.",
    verify=_VERIFY,
    bad='@router.get("/{chat_id}")\ndef read(chat_id: int): ...\n\n@router.get("/export")  # 422: "export" is no int\ndef export(): ...',
    good='@router.get("/export")\ndef export(): ...\n\n@router.get("/{chat_id}")\ndef read(chat_id: int): ...',
    runbook="route-conflict",
)
DOUBLED = Rule(
    id="GR-ROUTE-003",
    title="a prefix given by the router and again where it is included",
    severity=Severity.ERROR,
    why="Both are joined: every path holds the prefix twice, and callers of the single prefix get 404.",
    fix="Keep the prefix in one of the two places.",
    verify=_VERIFY,
    bad='router = APIRouter(prefix="/memory")\napp.include_router(router, prefix="/memory")',
    good='router = APIRouter(prefix="/memory")\napp.include_router(router)',
    runbook="route-conflict",
)
TWICE = Rule(
    id="GR-ROUTE-004",
    title="a router included twice in the same way",
    severity=Severity.ERROR,
    why="Every route exists twice: the second copy never answers, start-up hooks and the API description are doubled.",
    fix="Delete one of the two include calls, or give them different prefixes.",
    verify=_VERIFY,
    bad='app.include_router(chat.router, prefix="/chat")\napp.include_router(chat.router, prefix="/chat")',
    good='app.include_router(chat.router, prefix="/chat")',
    runbook="route-conflict",
)
SHARED = Rule(
    id="GR-ROUTE-005",
    title="two routers that serve one method and path",
    severity=Severity.WARNING,
    why="Which of them answers depends on the order in which they are included; the other is dead and looks alive.",
    fix="Give one of the routers a prefix of its own, or delete the route that lost.",
    verify=_VERIFY,
    bad='app.include_router(chat.router, prefix="/chat")\napp.include_router(legacy.router, prefix="/chat")  # both have GET /{chat_id}',
    good='app.include_router(chat.router, prefix="/chat")\napp.include_router(legacy.router, prefix="/v0/chat")',
    runbook="route-conflict",
)
UNSERVED = Rule(
    id="GR-ROUTE-006",
    title="a path that the project asks for and no route serves",
    severity=Severity.WARNING,
    why="A client, a test or a page of the project itself still uses a path that answers 404.",
    fix="Correct the path, or add the route.",
    verify=_VERIFY,
    bad='client.post("/chats/42/message")  # the route is POST /chats/{chat_id}/messages',
    good='client.post("/chats/42/messages")',
    runbook="route-conflict",
)
RULES = (DUPLICATE, UNREACHABLE, DOUBLED, TWICE, SHARED, UNSERVED)


def check(context: Context) -> Iterator[Finding]:
    table = Table(context.project, context.names)
    yield from _on_one_router(table)
    yield from _mounts(table)
    yield from _across_routers(table)
    for call in callers.unserved(context.project, context.names, table):
        yield UNSERVED.at(
            call.path,
            call.line,
            f"{call.method} {call.asked} is asked for here, and no route serves it{call.hint}",
            severity=weakened(UNSERVED.severity, call.role) if call.role != "test" else UNSERVED.severity,
        )


def _on_one_router(table: Table) -> Iterator[Finding]:
    groups: dict[tuple[object, ...], list[Route]] = defaultdict(list)
    for route in table.routes:
        groups[route.router, route.module.path, route.where, route.method].append(route)
    for routes in groups.values():
        routes.sort(key=lambda route: route.line)
        for number, later in enumerate(routes):
            for first in routes[:number]:
                finding = _conflict(first, later)
                if finding is not None:
                    yield finding
                    break


def _conflict(first: Route, later: Route) -> Finding | None:
    same = first.pattern == later.pattern
    if not same and not (later.framework == "FastAPI" and covers(first.pattern, later.pattern)):
        return None
    if exclusive(first.arm, later.arm) or not later.arm.startswith(first.arm):
        return None
    asked = f"{later.method} {shown(later.said)}"
    place = f"line {first.line}"
    if first.defined == later.defined != 0:
        # Several decorators on one function: nothing is dead, but one of them does nothing.
        if not same:
            return None
        message = f"`{later.handler}` is registered for {asked} twice, here and in {place}: was one meant to differ?"
        fix = "Delete one of the two decorators, or correct its path."
        return DUPLICATE.at(
            later.module.path,
            later.line,
            message,
            severity=weakened(Severity.WARNING, later.module.role),
            fix=fix,
        )
    if same:
        message = f"`{later.handler}` never answers {asked}: `{first.handler}` in {place} is registered for it first"
        return DUPLICATE.at(
            later.module.path, later.line, message, severity=weakened(DUPLICATE.severity, later.module.role)
        )
    message = f"{asked} (`{later.handler}`) is never reached: {shown(first.said)} in {place} matches it first"
    fix = f"Move `{later.handler}` (line {later.line}) above line {first.line}."
    severity = weakened(UNREACHABLE.severity, later.module.role)
    return UNREACHABLE.at(later.module.path, later.line, message, severity=severity, fix=fix)


def _mounts(table: Table) -> Iterator[Finding]:
    seen: dict[tuple[object, ...], list[Mount]] = defaultdict(list)
    for mount in sorted(table.mounts, key=lambda m: (m.module.path, m.line)):
        if mount.prefix is None:
            continue
        yield from _doubled(table, mount)
        earlier = seen[mount.parent, mount.child, mount.module.path, mount.where, mount.call]
        for first in earlier:
            if not exclusive(first.arm, mount.arm) and mount.arm.startswith(first.arm):
                message = f"repeats line {first.line}: `{mount.child.name}` of {mount.child.path} is included twice in the same way"
                yield TWICE.at(
                    mount.module.path,
                    mount.line,
                    message,
                    severity=weakened(TWICE.severity, mount.module.role),
                )
                break
        earlier.append(mount)


def _doubled(table: Table, mount: Mount) -> Iterator[Finding]:
    own = table.prefixes.get(mount.child)
    if not own or not mount.prefix or mount.framework != "FastAPI":
        return
    given = mount.prefix
    if SYMBOL in own or not (given == own or given.endswith(own)):
        return
    message = (
        f"the router has prefix {own} ({mount.child.path}:{mount.child.line}) and is included under {shown(given)}: "
        f"its routes answer under {shown(given + own)}"
    )
    yield DOUBLED.at(mount.module.path, mount.line, message, severity=weakened(DOUBLED.severity, mount.module.role))


def _across_routers(table: Table) -> Iterator[Finding]:
    reported: set[tuple[str, int, str]] = set()
    for app in _tops(table):
        by_shape: dict[tuple[object, ...], Route] = {}
        for full, route, sure in table.flattened(app):
            shape = (route.method, parse(full))
            # One that a branch may leave out takes nobody's place for certain: it may be there to be replaced.
            first = by_shape.setdefault(shape, route) if sure else by_shape.get(shape, route)
            key = (route.module.path, route.line, route.method)
            if first.router == route.router or key in reported:
                continue
            reported.add(key)
            message = (
                f"{route.method} {shown(full)} (`{route.handler}`) is also served by `{first.handler}` "
                f"({first.module.path}:{first.line}), whose router is included first"
            )
            yield SHARED.at(
                route.module.path, route.line, message, severity=weakened(SHARED.severity, route.module.role)
            )


def _tops(table: Table) -> Iterable[RouterId]:
    children = {mount.child for mount in table.mounts}
    parents = {mount.parent for mount in table.mounts}
    return sorted(parents - children)
