"""Decorating: which kind of callable it is, the shell for that kind, and a refusal of what no shell fits.

The wrapper is a plain function of the same kind, so `inspect`, FastAPI, Celery and methods see what they saw before.
"""

from __future__ import annotations

import functools
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from guardrails.errors import Unguardable
from guardrails.policies.calls import for_function
from guardrails.policies.streams import for_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.policies.engine import Engine

    Shell = Callable[[Engine, Callable[..., Any]], Callable[..., Any]]

# Where a wrapper keeps the engine whose it is.
MARK = "__guardrails_engine__"


def guarded(engine: Engine, fn: Any) -> Any:
    """A callable of the same kind, guarded. Raises Unguardable, a TypeError."""
    if isinstance(fn, staticmethod | classmethod):
        return type(fn)(guarded(engine, fn.__func__))
    refuse(engine, fn)
    shell = shell_for(fn)
    if engine.hedge is not None and shell.__name__ != "for_coroutine":
        fix = "make it `async def`, or use a guard without hedge"
        raise Unguardable(engine.name, f"{name_of(fn)} with a hedge: no second call could begin beside it", fix)
    wrapper = shell(engine, fn)
    # Of what has no name of its own, an object or a partial.
    wrapper.__name__ = wrapper.__qualname__ = type(fn).__name__
    functools.update_wrapper(wrapper, fn)
    setattr(wrapper, MARK, engine)
    return wrapper


def shell_for(fn: Any) -> Shell:
    """The shell for this kind of callable; of an object that can be called, its `__call__` says which kind it is."""
    # Here, because it is a third of what `from guardrails import Guard` would cost.
    import inspect

    called = code_of(fn)
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        # Here, because asyncio alone would triple what `from guardrails import Guard` costs.
        from guardrails.policies.coroutines import for_async_generator, for_coroutine

        return for_async_generator if inspect.isasyncgenfunction(called) else for_coroutine
    return for_generator if inspect.isgeneratorfunction(called) else for_function


def code_of(fn: Any) -> Any:
    """The function that a call of `fn` runs: of a partial the one within, of an object its `__call__`."""
    import inspect

    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn if inspect.isroutine(fn) or inspect.iscoroutinefunction(fn) else type(fn).__call__


def name_of(fn: Any) -> str:
    """What a message calls it."""
    name: str = getattr(fn, "__qualname__", type(fn).__name__)
    return name


def refuse(engine: Engine, fn: Any) -> None:
    """Raise Unguardable for what is no callable, or none whose call would be guarded."""
    name = engine.name
    if isinstance(fn, type):
        raise Unguardable(name, f"the class {fn.__name__}", "guard the methods that make calls")
    if isinstance(fn, CoroutineType | GeneratorType | AsyncGeneratorType):
        kind = type(fn).__name__.replace("_", " ")
        raise Unguardable(name, f"a {kind}: a call that has begun", "give it the function, and the arguments apart")
    if isinstance(fn, property | functools.cached_property):
        raise Unguardable(name, f"a {type(fn).__name__}", "guard the function in it: @property above, the guard below")
    if not callable(fn):
        raise Unguardable(name, f"{fn!r:.80}, a {type(fn).__name__}", "give it a function; the name comes first")
    if getattr(fn, MARK, None) is engine:
        raise Unguardable(name, f"{name_of(fn)} twice", "it would count each call twice: decorate once")


def applied(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What `Guard.call` guards. Raises Unguardable where the work would begin only after the call."""
    result = fn(*args, **kwargs)
    if isinstance(result, GeneratorType | AsyncGeneratorType):
        raise Unguardable("call()", f"the generator {result.__qualname__}", "decorate its function, and iterate")
    return result


async def awaited(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What `Guard.acall` guards. Raises Unguardable where there is nothing to await."""
    result = fn(*args, **kwargs)
    if isinstance(result, AsyncGeneratorType):
        raise Unguardable("acall()", f"the generator {result.__qualname__}", "decorate its function, and iterate")
    if not (isinstance(result, CoroutineType) or hasattr(result, "__await__")):
        raise Unguardable("acall()", f"{name_of(fn)}, which returned no awaitable", "use call()")
    return await result
