"""What exists for plain and for asynchronous callers has one signature: `x` and `ax`, `Thing` and `AsyncThing`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

import guardrails

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType


def modules() -> Iterator[ModuleType]:
    """Every module of the package that can be imported without running a program."""
    for info in pkgutil.walk_packages(guardrails.__path__, "guardrails."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def plain(function: object) -> Any:
    """The function under a decorator of the class, if it is one."""
    return function.__func__ if isinstance(function, classmethod | staticmethod) else function


def shape(function: object) -> list[tuple[str, str, object]]:
    """Names, kinds and defaults of its parameters."""
    parameters = inspect.signature(plain(function)).parameters.values()
    return [(one.name, one.kind.name, one.default) for one in parameters]


def waits(function: object) -> bool:
    return inspect.iscoroutinefunction(plain(function)) or inspect.isasyncgenfunction(plain(function))


def asynchronous_name(name: str) -> str:
    """`call`: `acall`; `__enter__`: `__aenter__`."""
    return f"__a{name[2:]}" if name.startswith("__") else f"a{name}"


def pairs(scope: Mapping[str, object]) -> Iterator[tuple[str, object, object]]:
    """The functions of a class or module that are there twice, with the name of the first."""
    for name, function in scope.items():
        twin = scope.get(asynchronous_name(name))
        if inspect.isfunction(plain(function)) and inspect.isfunction(plain(twin)) and waits(twin):
            yield name, function, twin


def differences(scope: Mapping[str, object]) -> list[str]:
    return [name for name, one, other in pairs(scope) if shape(one) != shape(other)]


def scopes() -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each module, and each class of one, by name."""
    for module in modules():
        yield module.__name__, vars(module)
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == module.__name__:
                yield f"{module.__name__}.{name}", vars(kind)


def test_every_x_has_the_signature_of_its_ax() -> None:
    found = {where: [name for name, _, _ in pairs(scope)] for where, scope in scopes()}
    assert found["guardrails.policies.guard.Guard"] == ["call"]
    assert found["guardrails.policies.permit.Permit"] == ["__enter__", "__exit__"]
    assert found["guardrails.http.exchange"] == ["attempt"]
    assert {where: wrong for where, scope in scopes() if (wrong := differences(scope))} == {}


def test_every_asynchronous_class_has_the_signatures_of_its_plain_twin() -> None:
    found, wrong = set(), []
    for module in modules():
        classes = {name: kind for name, kind in vars(module).items() if inspect.isclass(kind)}
        for name, kind in classes.items():
            stem = name.removeprefix("Async")
            twin = classes.get(stem) or classes.get(f"Sync{stem}")
            if stem == name or twin is None or kind.__module__ != module.__name__:
                continue
            found.add(name)
            for method, function in vars(twin).items():
                others = (vars(kind).get(asynchronous_name(method)), vars(kind).get(method))
                other = next((one for one in others if one is not None), None)
                if inspect.isfunction(function) and inspect.isfunction(other) and shape(function) != shape(other):
                    wrong.append(f"{name}.{method}")
    assert found >= {"AsyncBody", "AsyncTransport", "AsyncAnswering"}
    assert wrong == []


def test_a_pair_that_differs_would_be_found() -> None:
    class Different:
        def call(self, fn: object, *, seconds: float = 1) -> None: ...
        async def acall(self, fn: object, *, seconds: float = 2) -> None: ...
        @classmethod
        def make(cls, name: str) -> None: ...
        @classmethod
        async def amake(cls, name: str) -> None: ...
        def dd(self) -> None: ...
        def add(self, thing: object) -> None: ...

    assert [name for name, _, _ in pairs(vars(Different))] == ["call", "make"]
    assert differences(vars(Different)) == ["call"]
