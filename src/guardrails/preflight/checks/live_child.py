"""Runs in the application's interpreter: imports modules in forked workers, and says how each one went.

    overseer   this process: never runs code of the application, hands out jobs, keeps the time, names culprits
    worker     a fork of it: takes a job, says over a pipe of its own how it went, takes the next (live_worker.py)

A worker that dies has named the culprit, the job it held; a new one goes on behind it. While a job hangs, a second
worker takes the others, and the first has until the deadline. Standard library alone, Python 3.9 and newer, started by
its path; words of the form `key=value` tell it what to do. It answers in lines of Python literals.
Why so many processes: docs/decisions/0012-three-processes-for-an-import.md
"""

from __future__ import annotations

import sys

# What a fresh interpreter holds. All that is loaded here on top is forgotten before the first import: a stray `types.py`
# of the application must be as visible as it is when the application starts.
FRESH = frozenset(sys.modules)
if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # the folder of this file
PATH = list(sys.path)

import faulthandler  # noqa: E402, F401 - for the worker: before the folder of this file is on the path again
import gc  # noqa: E402, F401
import os  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402
from contextlib import suppress  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guardrails.preflight.checks import live_worker
else:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    import live_worker

    sys.path[:] = PATH

POLL = 0.1
# A job that takes longer than this share of all the time is left to itself, and a second worker goes on.
STALLED = 6
MOST_WORKERS = 5
# From the signal that asks for the stack of a hanging worker to its end.
LAST_WORDS = 0.6
# A stack comes line by line; after so long a pause it is whole.
PAUSE = 0.05
HEAD, TAIL = 1000, 3000
MOST_TRACE = 16
MOST_READS = 32
GRACE = 0.05


class Worker:
    """One fork: its pipes, the job it holds, what it said."""

    def __init__(self, options: dict[str, list[str]], others: list[int]) -> None:
        orders, self.orders = os.pipe()
        self.reports, reports = os.pipe()
        self.noise, noise = os.pipe()
        self.job: int | None = None
        self.begun = 0.0
        self.done = 0
        self.rest = b""
        self.trace: list[str] = []
        self.head, self.tail, self.size = b"", b"", 0
        self.pid = os.fork()
        if self.pid == 0:
            for fd in (self.orders, self.reports, self.noise, *others):
                os.close(fd)
            live_worker.work(options, orders, reports, noise)
        for fd in (orders, reports, noise):
            os.close(fd)
        for fd in (self.reports, self.noise):
            os.set_blocking(fd, False)

    def give(self, job: int) -> None:
        self.job, self.begun = job, time.monotonic()
        self.trace, self.head, self.tail, self.size = [], b"", b"", 0
        with suppress(OSError):  # one that is dead is found by its pipe
            os.write(self.orders, job.to_bytes(4, "big"))

    def listen(self) -> tuple[bool, list[tuple[str, str]]]:
        """Whether the pipe is still open, and the reports that came."""
        reports = []
        open_ = True
        for _ in range(MOST_READS):
            open_, data = self._take(self.reports)
            self.rest += data
            if not data:
                break
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            text = line.decode("ascii", "replace")
            if line.startswith(live_worker.MARK):
                kind, _, payload = text[1:].partition(" ")
                reports.append((kind, payload))
            elif len(self.trace) < MOST_TRACE:
                self.trace.append(text)
        self.hear()
        return open_, reports

    def hear(self) -> None:
        """Keep the beginning and the end of what the application printed."""
        for _ in range(MOST_READS):  # one that never stops printing must not stop the clock
            _, data = self._take(self.noise)
            if not data:
                return
            self.size += len(data)
            room = HEAD - len(self.head)
            self.head += data[:room]
            self.tail = (self.tail + data[room:])[-TAIL:]

    @staticmethod
    def _take(fd: int) -> tuple[bool, bytes]:
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return True, b""
        except OSError:
            return False, b""
        return bool(data), data

    def ended(self, wait: float = 0.0) -> int | None:
        """The exit status once it is dead, negative for a signal."""
        end = time.monotonic() + wait
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= end:
                return None
            time.sleep(0.01)

    def kill(self, *, dead: bool = False) -> None:
        """End it, and what it started in its own session."""
        for kill, who in ((os.killpg, self.pid), (os.kill, self.pid)):
            if not (dead and kill is os.kill):
                with suppress(ProcessLookupError, PermissionError):
                    kill(who, signal.SIGKILL)
        if not dead:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        for fd in (self.orders, self.reports, self.noise):
            os.close(fd)


class Overseer:
    """The queue, the workers, the clock. `tell(job, how, detail, after, payload, trace, noise)` for each job once."""

    def __init__(self, options: dict[str, list[str]]) -> None:
        self.options = options
        self.out = int(options["out"][0])
        self.jobs = options.get("job", [])
        self.queue = list(range(len(self.jobs)))
        self.alone = "isolate" in options
        # What two workers loaded on their own is loaded once for the others, but not below a set-up, which may have
        # to come first.
        self.shares = self.alone and not live_worker.is_setup(self.jobs, 0)
        self.deadline = time.monotonic() + float(options["limit"][0])
        self.patience = max(0.5, float(options["limit"][0]) / STALLED)
        self.parent = os.getppid()
        self.workers: list[Worker] = []
        self.seen: dict[str, int] = {}
        self.due: list[str] = []

    def run(self) -> None:
        while (self.queue or self.workers) and time.monotonic() < self.deadline:
            if os.getppid() != self.parent:
                # The warden was killed: nobody else is left to end the workers.
                for worker in self.workers:
                    worker.kill()
                return
            if self.queue and self.wants_worker():
                self.preload()
                others = [fd for w in self.workers for fd in (w.orders, w.reports, w.noise)]
                worker = Worker(self.options, [self.out, *others])
                self.workers.append(worker)
                worker.give(self.next_job())
            self.wait()
        self.ask_for_stacks()
        for worker in list(self.workers):
            self.finish(worker, "deadline", 0)
        for job in self.queue:
            self.tell(job, "untried", 0)

    def wants_worker(self) -> bool:
        """Whether nobody works on the queue: each worker hangs, or there is none."""
        now = time.monotonic()
        if any(w.job is not None and live_worker.is_setup(self.jobs, w.job) for w in self.workers):
            return False
        return len(self.workers) < MOST_WORKERS and all(now - w.begun > self.patience for w in self.workers)

    def wait(self) -> None:
        fds = [fd for w in self.workers for fd in (w.reports, w.noise)]
        select.select(fds, [], [], max(0.0, min(POLL, self.deadline - time.monotonic())))
        for worker in list(self.workers):
            # Before the pipe is read: what a worker says and then dies must not be lost.
            status = worker.ended()
            open_, reports = worker.listen()
            for kind, payload in reports:
                if kind == "loaded" and self.shares:
                    self.learn(payload)
                elif worker.job is not None and kind != "loaded":
                    self.tell(worker.job, "ended", 0, worker, payload, works=kind == "end")
                    worker.job, worker.done = None, worker.done + 1
            if status is None and not open_:
                status = worker.ended(GRACE)
                if status is None:
                    self.finish(worker, "closed", 0)
                    continue
            if status is not None:
                how = "closed" if status == live_worker.CLOSED else "exit" if status >= 0 else "signal"
                self.finish(worker, how, abs(status), dead=True)
            elif worker.job is None:
                if self.queue and not self.alone:
                    worker.give(self.next_job())
                else:
                    self.finish(worker, "ended", 0)

    def finish(self, worker: Worker, how: str, detail: int, *, dead: bool = False) -> None:
        self.workers.remove(worker)
        worker.listen()
        if worker.job is not None:
            self.tell(worker.job, how, detail, worker)
        worker.kill(dead=dead)

    def ask_for_stacks(self) -> None:
        """Where each worker hangs. All share the time, because the caller waits no longer than for one."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGUSR1)
        end = time.monotonic() + LAST_WORDS
        waiting = list(self.workers)
        while waiting and time.monotonic() < end:
            spoken, _, _ = select.select([worker.reports for worker in waiting], [], [], PAUSE)
            waiting = [worker for worker in waiting if worker.listen()[0]]
            if not spoken:
                # Behind the caption, which comes alone, stands where it is.
                waiting = [worker for worker in waiting if len(worker.trace) < 2]

    def tell(
        self,
        job: int,
        how: str,
        detail: int,
        worker: Worker | None = None,
        payload: str = "None",
        *,
        works: bool = False,
    ) -> None:
        if live_worker.is_setup(self.jobs, job) and not works:
            # Nothing can be learnt from imports that need it.
            for other in self.queue:
                self.tell(other, "untried", 1)
            self.queue = []
        trace: list[str] = []
        noise = ("", 0)
        after = 0
        if worker is not None:
            worker.hear()
            trace, after = worker.trace, worker.done
            noise = ((worker.head + worker.tail).decode("utf-8", "replace"), worker.size)
        line = "\t".join([ascii((job, how, detail, after, trace, noise)), payload])
        live_worker.send(self.out, line.encode("ascii", "replace") + b"\n")

    # What workers that work alone may share.

    def learn(self, payload: str) -> None:
        for name in payload.split():
            self.seen[name] = self.seen.get(name, 0) + 1
            if self.seen[name] == 2:
                self.due.append(name)

    def next_job(self) -> int:
        return self.queue.pop(0)

    def preload(self) -> None:
        """Load what is due, unless a job is about it: that one goes first, while it can still be the first import."""
        if not self.due:
            return
        due = set(self.due)
        for place, job in enumerate(self.queue):
            parts = live_worker.split(self.jobs[job])[1].partition(":")[0].split(".")
            if any(".".join(parts[: end + 1]) in due for end in range(len(parts))):
                self.queue.insert(0, self.queue.pop(place))
                return
        live_worker.arrange_path(self.options)
        for name in self.due:
            with suppress(BaseException):
                __import__(name)
        self.due = []


def forget() -> None:
    for name in [name for name in sys.modules if name not in FRESH]:
        del sys.modules[name]


def main() -> None:
    options: dict[str, list[str]] = {}
    for word in sys.argv[1:]:
        key, _, value = word.partition("=")
        options.setdefault(key, []).append(value)
    options["path"], options["fresh"] = PATH, sorted(FRESH)
    with suppress(Exception):
        import resource

        # A core file of a crash that was expected helps nobody and takes seconds.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    sys.argv = [""]
    forget()
    live_worker.send(int(options["out"][0]), ascii((sys.version_info[:3], sys.executable)).encode() + b"\n")
    Overseer(options).run()
    # Not through `exit`: what was preloaded may have left hooks.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
