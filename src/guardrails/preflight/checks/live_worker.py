"""The worker of live_child.py: does one job after the other, and says how each went and what it did besides.

It is a fork, and what it imports may do anything: print, close descriptors, patch modules, end the process. So it binds
early what it needs, reports over a pipe that it knows again, and leaves by `os._exit`. Python 3.9 and newer.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The status of a worker whose pipe was closed under it.
CLOSED = 86
# Begins a report; other lines of the pipe are those of a stack.
MARK = b"\x00"
MOST_TEXT = 500
MOST_EFFECTS = 20
MOST_NAMES = 2000
MOST_FRAMES = 8
# How long a thread may take to end once the import is over.
GRACE = 0.05
STDLIB = os.path.dirname(os.__file__)  # noqa: PTH120 - pathlib would have to be forgotten again
SIGNALS = {number.value: number.name for number in signal.Signals}

# Bound now: the application may put something else in their place.
_write, _read, _exit, _fstat, _getpid = os.write, os.read, os._exit, os.fstat, os.getpid
_clock, _cpu, _frame, _current = time.monotonic, time.process_time, sys._getframe, sys._current_frames


class Missing(Exception):
    """A module without the attribute that was asked for."""


class Unset(Exception):
    """Settings that could not be made: the error, and the prefix of their variables."""


KINDS = {
    "socket.connect": "network",
    "socket.getaddrinfo": "network",
    "socket.gethostbyname": "network",
    "subprocess.Popen": "subprocess",
    "os.system": "subprocess",
    "os.posix_spawn": "subprocess",
    "os.spawn": "subprocess",
    "os.exec": "subprocess",
    "os.fork": "subprocess",
    "os.forkpty": "subprocess",
    "os.putenv": "environment",
    "os.unsetenv": "environment",
}


class Listener:
    """What the audit events of a job tell about it."""

    def __init__(self) -> None:
        self.effects: list[tuple[str, str, str, int]] = []
        kinds = KINDS

        def hook(event: str, args: Any) -> None:
            # For every event of the process: a look into a dictionary is what it may cost.
            if event in kinds:
                self.note(kinds[event], event, args)

        sys.addaudithook(hook)

    def note(self, kind: str, event: str, args: Any) -> None:
        with suppress(BaseException):
            effect = (kind, described(event, args), *caller(3))
            if event == "os.posix_spawn" and self.effects and self.effects[-1][2:] == effect[2:]:
                return  # by which subprocess.Popen, told just before, starts its process from 3.13 on
            if len(self.effects) < MOST_EFFECTS and effect not in self.effects:
                self.effects.append(effect)


def described(event: str, args: Any) -> str:
    """The event without its arguments, which may hold secrets: a host, a program, the name of a variable."""
    if not args:  # os.fork
        return event
    said = args[1] if event == "socket.connect" else args[0]
    if isinstance(said, (list, tuple)):
        # Of an address the host and the port.
        return f"{event} {':'.join(str(part) for part in said[:2])}"
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    if event == "socket.getaddrinfo":
        return f"{event} {said}:{args[1]}"
    if KINDS[event] == "subprocess":
        said = str(said).split()[0].rpartition("/")[2]
    return f"{event} {said}"[:MOST_TEXT]


def caller(depth: int) -> tuple[str, int]:
    """The innermost frame that is neither the standard library's nor ours."""
    frame: Any = _frame(depth)
    first = None
    while frame is not None:
        name = frame.f_code.co_filename
        if name == __file__:
            break
        if not name.startswith("<frozen"):
            first = first or (name, frame.f_lineno)
            if not name.startswith(STDLIB) or "-packages" in name:
                return name, frame.f_lineno
        frame = frame.f_back
    return first or ("", 0)


def work(options: dict[str, list[str]], orders: int, reports: int, noise: int) -> None:
    """Take jobs until the orders end. Never returns."""
    try:
        os.setsid()
        os.dup2(noise, 1)
        os.dup2(noise, 2)
        os.close(noise)
        # A crash in C and a hang tell where they are.
        faulthandler.enable(file=reports, all_threads=False)
        faulthandler.register(signal.SIGUSR1, file=reports, all_threads=False)
        sys.dont_write_bytecode = sys.dont_write_bytecode or "leave-no-trace" in options
        gc.disable()  # garbage of imports lives as long as the process: looking for it costs a tenth
        arrange_path(options)
        take_jobs(options, orders, reports)
    finally:
        _exit(0)


def take_jobs(options: dict[str, list[str]], orders: int, reports: int) -> None:
    pipes, me = {fd: _fstat(fd) for fd in (orders, reports)}, _getpid()
    listener = Listener()
    jobs = options.get("job", [])
    is_set_up = not is_setup(jobs, 0)
    while True:
        order = _read(orders, 4)
        if len(order) < 4:
            return
        number = int.from_bytes(order, "big")
        if number and not is_set_up:
            # The first worker has shown that it works; here its effects are known.
            attempt(*split(jobs[0]), listener)
        is_set_up = True
        payload = attempt(*split(jobs[number]), listener)
        if _getpid() != me:
            return  # the application forked, and this is the child
        # Another file may have come to the number of a pipe that was closed.
        if not all(is_same(fd, before) for fd, before in pipes.items()):
            _exit(CLOSED)
        if "isolate" in options and not payload.get("effects"):
            send(reports, MARK + b"loaded " + " ".join(library_modules(options)).encode("ascii", "replace") + b"\n")
        kind = b"end " if payload["error"] is None else b"fail "
        send(reports, MARK + kind + ascii(payload).encode("ascii") + b"\n")


def split(job: str) -> tuple[str, str]:
    kind, _, name = job.partition(" ")
    return kind, name


def is_setup(jobs: list[str], number: int) -> bool:
    return number == 0 and jobs[:1] != [] and split(jobs[0])[0] == "setup"


def is_same(fd: int, before: os.stat_result) -> bool:
    try:
        now = _fstat(fd)
    except OSError:
        return False
    return (now.st_dev, now.st_ino) == (before.st_dev, before.st_ino)


def attempt(kind: str, name: str, listener: Listener) -> dict[str, Any]:
    """Do a job and say how it went. Exceptions of any kind are an answer; what cannot be caught is the overseer's."""
    before = surroundings()
    listener.effects = []
    count, begun, wall = len(sys.modules), _cpu(), _clock()
    error = None
    try:
        DOES[kind](name)
    except BaseException as exc:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are the application's too
        error = told(exc)
    said: dict[str, Any] = {
        "cpu": _cpu() - begun,
        "wall": _clock() - wall,
        "modules": len(sys.modules) - count,
        "error": error,
    }
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    said["effects"] = [*lasting(listener.effects, before["environ"]), *changes(before)]
    return said


def import_(name: str) -> None:
    module, _, attribute = name.partition(":")
    __import__(module)
    value: Any = sys.modules[module]
    for step in attribute.split(".") if attribute else ():
        try:
            value = getattr(value, step)
        except AttributeError:
            raise Missing(step, [known for known in dir(value) if known[:1] != "_"][:MOST_NAMES]) from None


def set_up(name: str) -> None:
    framework, _, rest = name.partition(":")
    if framework == "django":
        os.environ["DJANGO_SETTINGS_MODULE"] = rest
        __import__("django")
        sys.modules["django"].setup()
    else:
        import_(name)
        value: Any = sys.modules[framework]
        for step in rest.split("."):
            value = getattr(value, step)
        value()


def read_settings(name: str) -> None:
    """Make the settings, as the application does when it starts."""
    import_(name)
    module, _, attribute = name.partition(":")
    settings: Any = sys.modules[module]
    for step in attribute.split("."):
        settings = getattr(settings, step)
    try:
        settings()
    except Exception as exc:  # noqa: BLE001 - wrapped as it is
        config = getattr(settings, "model_config", {})
        raise Unset(exc, f"{config.get('env_prefix') or ''}") from None


DOES = {"import": import_, "setup": set_up, "settings": read_settings}


def told(exc: BaseException) -> dict[str, Any]:
    """An error in plain words, and where it came from: frames from the outermost, without those of the import system."""
    prefix = ""
    if isinstance(exc, Unset):
        exc, prefix = exc.args
    kind = type(exc)
    said: dict[str, Any] = {
        "prefix": prefix,
        "type": kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}",
        "text": "",
        "frames": [],
    }
    with suppress(BaseException):
        said["fields"] = fields(exc) if callable(getattr(exc, "errors", None)) else None
    with suppress(BaseException):
        # The text of a validation error repeats the values.
        said["text"] = "" if said.get("fields") is not None else f"{exc}"[:MOST_TEXT]
    with suppress(BaseException):
        if isinstance(exc, ImportError):
            said["name"] = f"{exc.name}" if exc.name else None
        if isinstance(exc, Missing):
            said["missing"], said["near"] = exc.args
        if isinstance(exc, SyntaxError) and exc.filename:
            said["frames"] = [(f"{exc.filename}", exc.lineno or 1, "")]
        else:
            said["frames"] = frames(exc)
    return said


def frames(exc: BaseException) -> list[tuple[str, int, str]]:
    found = []
    trace = exc.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != __file__ and not code.co_filename.startswith("<frozen "):
            found.append((f"{code.co_filename}", trace.tb_lineno, f"{code.co_name}"))
        trace = trace.tb_next
    return found[-MOST_FRAMES:]


def fields(exc: Any) -> list[tuple[str, str, str]]:
    """(place, type, message) of a pydantic error. A message that may repeat what was read is left away."""
    found = []
    for error in exc.errors():
        message, kind, value = error["msg"], error["type"], error.get("input")
        custom = kind in ("value_error", "assertion_error") or (value is not None and f"{value}" in message)
        place = ".".join(f"{step}" for step in error["loc"])
        found.append((place, f"{kind}", "" if custom else f"{message}"[:MOST_TEXT]))
    return found[:MOST_EFFECTS]


# What an import may change around itself.


def surroundings() -> dict[str, Any]:
    return {
        "cwd": here(),
        "environ": dict(os.environ),
        "signals": [signal.getsignal(number) for number in range(1, signal.NSIG)],
        "modules": dict(sys.modules),
        "streams": (sys.stdout, sys.stderr),
        "threads": set(_current()),
    }


def lasting(effects: list[tuple[str, str, str, int]], before: dict[str, str]) -> list[tuple[str, str, str, int]]:
    """The effects without those on variables that have their old value again, as libraries in C leave them."""
    now = dict(os.environ)
    return [
        effect
        for effect in effects
        if effect[0] != "environment" or now.get(last(effect[1])) != before.get(last(effect[1]))
    ]


def last(words: str) -> str:
    return words.rpartition(" ")[2]


def here() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return "(gone)"


def changes(before: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    found = []
    now = surroundings()
    if now["cwd"] != before["cwd"]:
        found.append(f"changed the working directory to {now['cwd']}")
    for number, (old, new) in enumerate(zip(before["signals"], now["signals"]), 1):  # noqa: B905 - Python 3.9
        if old is not new and old != new:
            found.append(f"took the signal {SIGNALS.get(number, number)}")
    for name, module in before["modules"].items():
        if module is not None and now["modules"].get(name) is not module:
            found.append(f"replaced the module {name}")
    if any(old is not new for old, new in zip(before["streams"], now["streams"])):  # noqa: B905
        found.append("replaced sys.stdout or sys.stderr")
    left = [("process", said[:MOST_TEXT], "", 0) for said in found[:MOST_EFFECTS]]
    return left + [("threads", said, "", 0) for said in left_running(now["threads"] - before["threads"])]


def left_running(started: set[int]) -> list[str]:
    end = _clock() + GRACE
    while started and _clock() < end:
        time.sleep(GRACE / 10)
        started &= set(_current())
    threading: Any = sys.modules.get("threading")
    names = {}
    with suppress(BaseException):
        names = {thread.ident: f"{thread.name}" for thread in threading.enumerate()}
    return [names.get(ident, "a thread")[:MOST_TEXT] for ident in sorted(started)][:MOST_EFFECTS]


def library_modules(options: dict[str, list[str]]) -> list[str]:
    """What was loaded from outside the project, in order."""
    project, fresh = options["project"][0], frozenset(options["fresh"])
    found = []
    for name, module in list(sys.modules.items()):
        place = getattr(getattr(module, "__spec__", None), "origin", None)
        if name not in fresh and isinstance(place, str) and (not place.startswith(project) or "-packages" in place):
            found.append(name)
    return found


def arrange_path(options: dict[str, list[str]]) -> None:
    """`sys.path` as the application finds it: its own folders first, what its build installs last."""
    sys.path[:] = [*options.get("front", []), *options["path"], *options.get("behind", [])]


def send(fd: int, data: bytes) -> None:
    while data:
        data = data[_write(fd, data) :]
