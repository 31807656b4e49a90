"""GR-DECO: a wrapper stands above the decorator that registers the function.

    @timed            <- wraps what the framework returned; the framework never calls it
    @router.get("/")  <- registered the bare function
    def handler(): …

Found by following each decorator to what it is: a registration that a framework is known for, or a
function whose code returns something else than its argument. What cannot be followed is not reported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight.checks.registrations import Registration, called_name, effect_of, registration
from guardrails.preflight.rule import Rule, weakened
from guardrails.source.model import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.context import Context
    from guardrails.source import Module, Names
    from guardrails.source.model import Decorator, Text

_FIX = "Move the registering decorator to the top, above every wrapper."
_VERIFY = "guardrails preflight --static --select GR-DECO"

TASK = Rule(
    id="GR-DECO-001",
    title="a wrapper above a task registration",
    severity=Severity.ERROR,
    why="The worker runs the unwrapped function, and the name no longer is a task: sending it raises AttributeError.",
    fix=_FIX,
    verify=_VERIFY,
    bad='@timed\n@broker.task\nasync def extract(chat_id: str) -> None: ...\n\nawait extract.kiq("42")  # AttributeError',
    good="@broker.task\n@timed\nasync def extract(chat_id: str) -> None: ...",
    runbook="decorator-order",
)
ROUTE = Rule(
    id="GR-DECO-002",
    title="a wrapper above a route registration",
    severity=Severity.ERROR,
    why="The framework calls the unwrapped function: what the wrapper does never runs. If it checks a key, anybody may call.",
    fix=_FIX,
    verify=_VERIFY,
    bad='@require_api_key\n@router.delete("/{item_id}")\ndef delete_item(item_id: str): ...  # anybody may delete',
    good='@router.delete("/{item_id}")\n@require_api_key\ndef delete_item(item_id: str): ...',
    runbook="decorator-order",
)
HOOK = Rule(
    id="GR-DECO-003",
    title="a wrapper above the registration of a hook",
    severity=Severity.ERROR,
    why="The framework holds the unwrapped function: the wrapper never runs when the signal, filter or handler does.",
    fix=_FIX,
    verify=_VERIFY,
    bad="@logged\n@app.exception_handler(StoreDown)\nasync def store_down(request, exc): ...",
    good="@app.exception_handler(StoreDown)\n@logged\nasync def store_down(request, exc): ...",
    runbook="decorator-order",
)
_BODY = "\n\n    def wrapper(*args):\n        return func(*args)\n\n    return wrapper"
EXAMPLE = Rule(
    id="GR-DECO-004",
    title="an example shows a wrapper above a registration",
    severity=Severity.WARNING,
    why="Examples are copied: every copy registers a function that the wrapper never touches.",
    fix="Put the registering decorator on top in the example.",
    verify=_VERIFY,
    bad='def timed(func):\n    """Measure a task.\n\n    @timed\n    @broker.task\n    async def job(): ...\n    """'
    + _BODY,
    good='def timed(func):\n    """Measure a task.\n\n    @broker.task\n    @timed\n    async def job(): ...\n    """'
    + _BODY,
    runbook="decorator-order",
)
RULES = (TASK, ROUTE, HOOK, EXAMPLE)
_BY_KIND = {"task": TASK, "route": ROUTE, "hook": HOOK}

# In a docstring nothing can be resolved, so only forms count that hardly mean anything else.
_EXAMPLE_REGISTRATION = (
    r"@(?:(?:\w+\.)*(?:app|celery|celery_app|broker)\.task|shared_task|dramatiq\.actor"
    r"|(?:\w+\.)*(?:app|api|router|bp|blueprint)\.(?:route|get|post|put|patch|delete|websocket))\b"
)


def check(context: Context) -> Iterator[Finding]:
    names = context.names
    for module in context.project.modules.values():
        for function in module.decorated:
            if len(function.decorators) > 1 and function.is_function:
                yield from _in_stack(names, module, function)
        for text in module.texts:
            yield from _in_example(names, module, text)


def _in_stack(names: Names, module: Module, function: Scope) -> Iterator[Finding]:
    above: list[Decorator] = []
    for decorator in function.decorators:
        found = registration(names, module, function, decorator)
        if found is None:
            above.append(decorator)
            continue
        for wrapper in above:
            wrapping = effect_of(names, module, function, wrapper)
            if wrapping.effect == "wraps":
                rule = _BY_KIND[found.kind]
                severity = Severity.WARNING if wrapping.only_marks else rule.severity
                yield rule.at(
                    module.path,
                    wrapper.line,
                    _message(function, wrapper, decorator, found, wrapping.place),
                    severity=weakened(severity, module.role),
                    fix=f"Move `@{called_name(decorator)}` above `@{called_name(wrapper)}`.",
                )
        above = []  # a registration further down misses what stands between the two


def _message(function: Scope, wrapper: Decorator, decorator: Decorator, found: Registration, place: str | None) -> str:
    defined = f" ({place})" if place else ""
    head = f"`@{called_name(wrapper)}`{defined} stands above `@{called_name(decorator)}` on `{function.name}`: "
    if found.kind == "task":
        return (
            head + f"{found.framework} runs the function without it, and `{function.name}` has no {found.lost} any more"
        )
    return head + f"{found.framework} calls `{function.name}` without it"


def _in_example(names: Names, module: Module, text: Text) -> Iterator[Finding]:
    stack: list[tuple[int, str]] = []
    for offset, raw in enumerate(text.text.splitlines()):
        line = raw.strip().removeprefix(">>>").removeprefix("...").strip()
        if line.startswith("@"):
            stack.append((offset, line))
            continue
        if stack and re.match(r"(async\s+)?def\s", line):
            yield from _wrong_order(names, module, text, stack)
        stack = []


def _wrong_order(names: Names, module: Module, text: Text, stack: list[tuple[int, str]]) -> Iterator[Finding]:
    registering = next((i for i, (_, line) in enumerate(stack) if re.match(_EXAMPLE_REGISTRATION, line)), 0)
    for offset, line in stack[:registering]:
        match = re.match(r"@([\w.]+)(\()?", line)
        if match is None or not _is_wrapper(names, module, text, match[1], called=match[2] is not None):
            continue
        shown = stack[registering][1].partition("(")[0]
        yield EXAMPLE.at(
            module.path,
            text.line + offset,
            f"the example puts `@{match[1]}` above `{shown}`, which then registers the unwrapped function",
            severity=weakened(EXAMPLE.severity, module.role),
        )


def _is_wrapper(names: Names, module: Module, text: Text, name: str, *, called: bool) -> bool:
    """Whether the name in the example is a decorator of the project that wraps its function."""
    from guardrails.source.model import Decorator

    expr = ["()", name, [], {}] if called else name
    holder = module.scopes[text.scope]
    here = Scope(0, "def", "", holder.line, max(holder.parent, 0), "", (), (), (), ())
    # A method is named by its bare name in its own example.
    decorator = Decorator(10**9, expr)
    return effect_of(names, module, here, decorator).effect == "wraps"
