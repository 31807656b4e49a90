"""The off switch: inside `with disabled():` every guard of this process calls straight through.

A count, because blocks may be nested and may overlap in threads: the first turns the switch, the last turns it back.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from guardrails.errors import Unguardable
from guardrails.policies.engine import SWITCH
from guardrails.policies.wrapping import code_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

F = TypeVar("F", bound="Callable[..., Any]")

_turning = threading.Lock()
_blocks = 0


def disabled() -> Disabled:
    """Let every guard call straight through: `with disabled():`, or `@disabled()` above a test or a fixture.

    It holds for guards that exist and those that are made meanwhile, in every thread and task. No circuit, retry, limit
    or timeout; nothing is recorded, so afterwards each guard is what it was. A call reaches the function once, and what
    it raises reaches the caller. So no fallback of a `Dependency` answers: a test whose code is wrong would pass on an
    empty list. What does not depend on how the dependency is stays: `accepts` refuses, with its fallback, and a
    function of the wrong kind is Unguardable. Breakers of `guardrails.compat` are no guards.
    """
    return Disabled()


class Disabled:
    """See `disabled`. It may be entered again, also while it is entered."""

    def __enter__(self) -> None:
        from guardrails.testing.through import Through

        _turn(1, Through)

    def __exit__(self, *raised: object) -> None:
        _turn(-1, None)

    def __call__(self, fn: F) -> F:
        """Disable guards while `fn` runs, whatever kind of function it is. Raises Unguardable for a class."""
        if isinstance(fn, type):
            fix = "decorate its tests, or mark it with pytest.mark.usefixtures('guards_disabled')"
            raise Unguardable("disabled()", f"the class {fn.__name__}", fix)
        if isinstance(fn, staticmethod | classmethod):
            within: Any = type(fn)(self(fn.__func__))
            return within  # type: ignore[no-any-return]
        wrapper: Any = functools.wraps(fn)(self._shell(fn))
        made: F = wrapper
        return made

    def _shell(self, fn: Any) -> Any:
        def plain(*args: Any, **kwargs: Any) -> Any:
            with self:
                return fn(*args, **kwargs)

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await fn(*args, **kwargs)

        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with self:
                return (yield from fn(*args, **kwargs))

        async def agenerator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with self:
                # Closed with this one, while guards are still disabled.
                async with contextlib.aclosing(fn(*args, **kwargs)) as items:
                    async for item in items:
                        yield item

        called = code_of(fn)
        if inspect.iscoroutinefunction(called):
            return coroutine
        if inspect.isasyncgenfunction(called):
            return agenerator
        return generator if inspect.isgeneratorfunction(called) else plain


def _turn(change: int, operation: type[Any] | None) -> None:
    global _blocks
    with _turning:
        before, _blocks = _blocks, _blocks + change
        if bool(before) != bool(_blocks):
            SWITCH.turn("operation", operation)
