"""One attempt of a check, in a fork of this process that is killed when its time is over.

What the check prints is gone, whatever it breaks breaks there: the fork has one pipe for one answer, and how it
ended is read from the operating system.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from guardrails.preflight.plugins import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from guardrails.preflight.plugins import Context, OwnCheck

# How often is looked whether a fork has ended.
POLL = 0.02
# The longest text of an answer: with JSON's escapes, all of them fit into a pipe that nobody reads yet. So much of it
# is read for secrets before it is cut, because half a secret is not known again.
LONGEST_TEXT, LONGEST_READ = 1000, 20_000
_ROOM = 1 << 16
_STATUSES = ("passed", "failed", "skipped")
# A group of its own, to kill what the check has started as well. Where no warden collects orphans, the fork stays in
# the group of its host, with which it then ends.
GROUPED = sys.platform == "linux"


async def attempt(own: OwnCheck, context: Context, unneeded: int) -> Answer:
    """Run the check once, for at most its `timeout`. `unneeded`: a pipe of the host that the fork must not hold."""
    source, sink = os.pipe()
    try:
        pid = os.fork()
        if pid == 0:
            _run(own, context, sink, (source, unneeded))
        _group(pid)
        return _read(source, await _ended(pid, own.timeout), own.timeout)
    except OSError as exc:
        return Answer("error", f"no process could be started for it: {exc.strerror}")
    finally:
        os.close(source)
        os.close(sink)


def _group(pid: int) -> None:
    # In both processes, because neither knows which is first; to the second it is refused.
    with suppress(OSError):
        if GROUPED:
            os.setpgid(pid, 0)


async def _ended(pid: int, limit: float) -> int | None:
    """The exit code of the fork, negative for a signal; None when its time was over. Its whole group is gone then."""
    code = None
    try:
        async with asyncio.timeout(limit):
            while (code := _code(pid)) is None:  # noqa: ASYNC110 - another process sets no event of ours
                await asyncio.sleep(POLL)
    except TimeoutError:
        pass
    finally:
        _kill(pid, alive=code is None)
    return code


def _code(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _kill(pid: int, *, alive: bool) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if GROUPED:
            os.killpg(pid, signal.SIGKILL)
    if alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _read(source: int, status: int | None, limit: float) -> Answer:
    if status is None:
        return Answer("error", f"it did not end within {limit:g} s and was killed")
    os.set_blocking(source, False)
    try:
        return Answer(*json.loads(os.read(source, _ROOM)))
    except (BlockingIOError, ValueError, TypeError):
        # A check that ends its process has not said that all is well, whatever the status.
        ended = f"signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"exit status {status}"
        return Answer("error", f"its process ended without an answer: {ended}")


def _run(own: OwnCheck, context: Context, sink: int, unneeded: tuple[int, ...]) -> NoReturn:
    me = os.getpid()
    try:
        _group(0)
        for number in unneeded:
            os.close(number)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        answer = _answer(own, context.lasting(own.timeout))
        text = json.dumps([context.redact(str(part)[:LONGEST_READ])[:LONGEST_TEXT] for part in answer])
        if os.getpid() == me:  # the check may have forked and come back twice
            os.write(sink, text.encode())
    finally:
        os._exit(0)


def _answer(own: OwnCheck, context: Context) -> Answer:
    import inspect

    try:
        answer: object = own.function(context)
        if inspect.isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
    except BaseException as exc:  # noqa: BLE001 - a check that exits or is cancelled has found out nothing either
        return _raised(exc, own)
    if isinstance(answer, Answer) and answer.status in _STATUSES:
        return answer
    return Answer("error", f"it returned {answer!r}, which is no answer: return ok(), fail(…) or skip(…)")


async def _awaited(answer: Awaitable[object]) -> object:
    return await answer


def _raised(exc: BaseException, own: OwnCheck) -> Answer:
    said = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
    httpx = sys.modules.get("httpx")
    if httpx is not None and isinstance(exc, httpx.HTTPError):
        # The client that checks are given: that what they ask does not answer is an answer.
        return Answer("failed", f"{_asked(exc)}{said}", fix="Start what it asks, or correct the address.")
    if isinstance(exc, SystemExit):
        return Answer("error", f"it ended its process ({said}): return ok(), fail(…) or skip(…)")
    return Answer("error", f"it raised {said}{_place(exc, own)}")


def _asked(exc: BaseException) -> str:
    try:
        request = exc.request  # type: ignore[attr-defined]
    except RuntimeError:  # none was made
        return ""
    return f"{request.method} {request.url} gave "


def _place(exc: BaseException, own: OwnCheck) -> str:
    """The line of the check's own file that raised, where one did."""
    line, trace = 0, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == own.path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""
