"""One alarm a stream: it rings when no content came in time, whether or not anything else does.

    alarm.move(due)     it is to ring at that instant; nearly always a later one, which costs an assignment
    alarm.rang          it has rung: what the reader gets now, an error or the end, is its doing
    alarm.end()

A read that blocks is ended from outside: in asyncio by cancelling it, in a thread by shutting its socket down.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import os
import socket
import threading
import time
from typing import Any


class TaskAlarm:
    """For a task that reads. `task`: which one is reading just now, None: the consumer is at work."""

    __slots__ = ("_loop", "_timer", "_when", "due", "rang", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._when = 0.0
        self.due = float("inf")
        self.rang = False
        self.task: asyncio.Task[Any] | None = None

    def now(self) -> float:
        """Its own clock."""
        return self._loop.time()

    def move(self, due: float) -> None:
        """Ring then, instead of before."""
        self.due = due
        if self._timer is None or due < self._when:
            self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._when = self.due
        self._timer = self._loop.call_at(self.due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self.due > self._loop.time():
            self._set()
            return
        self.rang = True
        if self.task is not None:
            self.task.cancel()

    def takes_back(self) -> bool:
        """Whether a cancellation was its own alone, which is over by this."""
        task = asyncio.current_task()
        return self.rang and task is not None and task.uncancel() == 0

    def end(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class ThreadAlarm:
    """For a thread that reads from `stream`, the network stream of an httpx answer; None: it cannot be woken."""

    __slots__ = ("_ended", "_lock", "_stream", "_when", "due", "rang")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._when = float("inf")
        self._ended = False
        # Once its answer is closed, the socket may serve another one.
        self._lock = threading.Lock()
        self.due = float("inf")
        self.rang = False

    def now(self) -> float:
        """Its own clock."""
        return time.monotonic()

    def move(self, due: float) -> None:
        """Ring then, instead of before."""
        self.due = due
        if due < self._when:
            self._when = due
            _WATCH.add(due, self)

    def ring(self, now: float) -> float | None:
        """Called by the watch. Returns when to call again, None: not any more."""
        with self._lock:
            if self._ended:
                return None
            if self.due > now:
                self._when = self.due
                return self.due
            self.rang = True
            self._when = float("inf")
            told = getattr(self._stream, "get_extra_info", None)
            found = None if told is None else told("socket")
            if isinstance(found, socket.socket):
                # Closed already: nobody blocks on it. A TLS socket's own method would take the session from its reader.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(found, socket.SHUT_RDWR)
            return None

    def end(self) -> None:
        """Ring no more."""
        with self._lock:
            self._ended = True
            self._stream = None


class Watch:
    """The thread that rings all alarms of a process; it lives as long as there are any, and a little longer."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, ThreadAlarm]] = []
        self._count = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, due: float, alarm: ThreadAlarm) -> None:
        """Call it at that instant."""
        with self._changed:
            heapq.heappush(self._due, (due, next(self._count), alarm))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="guardrails-streams", daemon=True)
                self._thread.start()
            elif self._due[0][2] is alarm:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                if not self._due:
                    self._changed.wait(5.0)
                    if not self._due:
                        self._thread = None
                        return
                    continue
                if self._due[0][0] > now:
                    self._changed.wait(self._due[0][0] - now)
                    continue
                _, _, alarm = heapq.heappop(self._due)
            again = alarm.ring(now)
            if again is not None:
                with self._changed:
                    heapq.heappush(self._due, (again, next(self._count), alarm))


_WATCH = Watch()


def _after_fork_in_child() -> None:
    global _WATCH  # noqa: PLW0603 - the thread of the old one, and whoever held its lock, are not here
    _WATCH = Watch()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
