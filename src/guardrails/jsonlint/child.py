"""Runs in a process of its own: imports the user's code, takes the object, says what JSON cannot keep of it.

Started by path, not by name, and answers in a file, one JSON value a line: so the user's code may print, close
descriptors, replace `sys.stdout` or end the process at any point, and what is known by then is known.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

MOST_NEAR = 3
MOST_NAMED = 5


class Refused(Exception):
    """The call was wrong, not the user's code."""


def main() -> None:
    request = json.loads(sys.argv[1])
    answer, most = request["answer"], request["most"]

    def tell(**said: Any) -> None:
        with open(answer, "a", encoding="utf-8") as file:  # noqa: PTH123 - what the user's code cannot have changed
            file.write(json.dumps(said) + "\n")

    # All of it before the user's folders are on the path, where a file may bear the name of a library.
    sys.path.insert(0, request["home"])
    from guardrails import jsonsafe

    jsonsafe.explain([object(), {1: 0.5}], profile=request["profile"])
    sys.path.remove(request["home"])
    sys.path[:0] = request["paths"]
    sys.path += request["paths_behind"]
    sys.argv = [request["file"] or request["module"]]
    try:
        tell(phase="imported")
        value = attribute(loaded(request), request["object"])
        tell(phase="called")
        value = called(value, request["object"])
        tell(phase="looked through")
        entries = jsonsafe.explain(value, profile=request["profile"])
        masked = [entry.path for entry in entries if not entry.lossy]
        late = [entry.path for entry in entries if entry.reason == "deadline"]
        lost = [entry for entry in entries if entry.lossy and entry.reason != "deadline"]
        kept = [(entry.path, entry.reason, entry.type, entry.action) for entry in lost[:most]]
        tell(
            entries=kept,
            omitted=len(lost) - len(kept),
            masked=masked[:MOST_NAMED],
            masked_count=len(masked),
            late=late[:1],
        )
    except Refused as exc:
        tell(refused=str(exc))
    except BaseException as exc:  # noqa: BLE001 - whatever the user's code does has to be told
        tell(crash=crash(exc))
    finally:
        # What was printed is counted; neither threads nor exit hooks of the user's may hold up the answer.
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        os._exit(0)


def loaded(request: dict[str, Any]) -> ModuleType:
    """The user's module: by its name where it has one, else from its file, as `python FILE.py` would take it."""
    import importlib
    import importlib.util

    name, file = request["module"], request["file"]
    if file is None or request["package"]:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as exc:
            # Not what the module itself fails to import.
            if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
                raise
            raise Refused(f"there is no module {exc.name!r} here: call this where Python finds it") from exc
        origin = getattr(module, "__file__", None)
        if file is not None and (origin is None or not os.path.samefile(origin, file)):  # noqa: PTH121
            raise Refused(f"{file} is imported as {name}, but Python takes {origin}: rename one of the two")
        return module
    # A name that is taken would be replaced for all who import it.
    if name in sys.modules or name in sys.stdlib_module_names:
        name = f"{name}__linted"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise Refused(f"{file}: Python knows no way to import it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def attribute(module: ModuleType, dotted: str) -> Any:
    value: Any = module
    for step in dotted.split("."):
        try:
            value = getattr(value, step)
        except AttributeError:
            import difflib

            near = difflib.get_close_matches(step, [name for name in dir(value) if name[:1] != "_"], MOST_NEAR)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            kind = "the module" if value is module else type(value).__name__
            raise Refused(f"{kind} has no {step!r}{hint}") from None
    return value


def called(value: Any, name: str) -> Any:
    """A function or a class stands for what it returns; an instance with `__call__` is a value like others."""
    import functools
    import inspect

    if not (inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, functools.partial)):
        return value
    required = _required(inspect.signature, value)
    if required:
        raise Refused(f"{name} needs arguments ({', '.join(required)}): name an object, or a function that needs none")
    value = value()
    if inspect.iscoroutine(value):
        import asyncio

        value = asyncio.run(value)
    return value


def _required(signature: Callable[..., Any], function: Any) -> list[str]:
    try:
        parameters = signature(function).parameters.values()
    except (ValueError, TypeError):  # some of C tell none
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def crash(exc: BaseException) -> dict[str, Any]:
    """What may be told of an error: its class and place, not its text, which may hold any value."""
    import traceback

    kind = type(exc)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    detail = None
    if isinstance(exc, ImportError | NameError | AttributeError) and type(exc.name) is str:
        detail = exc.name
    elif isinstance(exc, SystemExit) and type(exc.code) in (int, type(None)):
        detail = f"status {exc.code or 0}"
    place = None
    if isinstance(exc, SyntaxError) and exc.filename:
        place = [exc.filename, exc.lineno]
    else:
        import importlib

        here = (__file__, "<frozen ", os.path.dirname(importlib.__file__))  # noqa: PTH120
        for frame in traceback.extract_tb(exc.__traceback__):
            if not frame.filename.startswith(here):
                place = [frame.filename, frame.lineno]
    return {"type": name, "detail": detail, "place": place, "ours": _is_ours(place)}


def _is_ours(place: list[Any] | None) -> bool:
    return place is not None and Path(place[0]).is_relative_to(Path(__file__).parent.parent)


if __name__ == "__main__":
    main()
