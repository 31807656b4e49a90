"""The process in which the checks of a project are loaded and run.

Started as `python -m guardrails.preflight.plugin_host FD ORDER`: FD is the pipe for its answers, ORDER what to do, as
JSON (`Order`). Answers are JSON, one a line, in this order:

    {"loading": "checks/a.py"}  before each source; whoever dies now, this one did it
    {"broken": "checks/a.py", "reason": …}
    {"mistakes": […]}           and it ends; or
    {"running": {id: severity}} all that will be reported, and for each as it is settled
    {"result": {…}}
    {"done": true}
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.config import FILE
from guardrails.preflight import attempts, plugin_files, scheduler
from guardrails.preflight.plugins import Context

if TYPE_CHECKING:
    from guardrails.preflight.plugin_files import Source
    from guardrails.preflight.plugins import OwnCheck
    from guardrails.preflight.scheduler import Settled


class Order(NamedTuple):
    """What to load and to run.

    `without`: sources that a host before this one did not survive. `load_limit`: seconds for the import of one.
    """

    plugins: list[str]
    project: str
    roots: list[str]
    select: list[str]
    without: list[str]
    wait: float
    deadline: float
    load_limit: float


def main() -> None:
    pipe, order = int(sys.argv[1]), Order(**json.loads(sys.argv[2]))
    os.set_inheritable(pipe, False)  # noqa: FBT003 - the signature of os
    say = partial(_say, pipe)
    project = Path(order.project)
    sys.path[:0] = order.roots
    sources, problems = plugin_files.find_sources(order.plugins, project)
    kept = [source for source in sources if source.name not in order.without]
    checks = _load(kept, order.load_limit, say)
    complete = len(checks) == len(sources)
    listed = [own for found in checks for own in found]
    problems += plugin_files.mistakes(listed, project, complete=complete)
    wanted, unknown = plugin_files.chosen(listed, order.select)
    problems += unknown if complete else []
    if problems:
        say(mistakes=problems)
        return
    say(running={own.id: own.severity for own in wanted})
    context = Context(project, dict(os.environ))
    if any(_mentions_http(own) for own in wanted):
        _warm_http(context)
    _ = context.redactor
    asyncio.run(
        scheduler.settle(
            wanted,
            lambda own: attempts.attempt(own, context, pipe),
            lambda own, settled: say(result=_result(own, settled, project)),
            wait=order.wait,
            deadline=order.deadline,
        )
    )
    say(done=True)
    # Nothing is left to do here, and what the files registered to be done at the end is not for us to wait for.
    os._exit(0)


def _say(pipe: int, **answer: Any) -> None:
    os.write(pipe, json.dumps(answer).encode() + b"\n")


def _load(sources: list[Source], limit: float, say: partial[None]) -> list[list[OwnCheck]]:
    """The checks of each source that could be imported."""
    loaded = []
    for source in sources:
        say(loading=source.name)
        # The system's own alarm: nothing that the file does to Python keeps it from ringing.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            loaded.append(plugin_files.import_source(source))
        except BaseException as exc:  # noqa: BLE001 - a file that exits is as broken as one that raises
            say(broken=source.name, reason=f"{type(exc).__name__}: {exc}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return loaded


def _mentions_http(own: OwnCheck) -> bool:
    """Whether the file of the check looks as if it used the HTTP client; a wrong guess costs time alone."""
    try:
        return b"http" in Path(own.path).read_bytes()
    except OSError:
        return True


def _warm_http(context: Context) -> None:
    """What each fork would else import and load anew; most of a second for 20 of them."""
    from importlib import import_module

    # The command line of httpx brings rich and pygments along where they are installed, for two fifths of its import.
    # It can do without, and so can a check.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    _ = context.certificates
    del sys.modules["httpx._main"]
    import_module("anyio._backends._asyncio")
    import_module("httpcore._backends.auto")


def _result(own: OwnCheck, settled: Settled, project: Path) -> dict[str, Any]:
    path = Path(own.path)
    inside = path.is_relative_to(project)
    return {
        "id": own.id,
        "severity": own.severity,
        **settled.answer._asdict(),
        "why": settled.answer.why or " ".join((own.function.__doc__ or "").split("\n\n")[0].split()),
        "path": path.relative_to(project).as_posix() if inside else FILE,
        "line": own.line if inside else None,
        "attempts": settled.attempts,
        "duration": settled.duration,
    }


if __name__ == "__main__":
    main()
