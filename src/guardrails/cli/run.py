"""`guardrails run -- CMD`: the gate as a container's entrypoint; when it passes, this process becomes the command.

    find CMD ──► the gate, own checks repeated while --wait lasts ──► exec CMD: the PID, stdin, environment stay
    127, 126     1, 2, 3 with the findings; 128+n on signal n         whatever CMD says

All that is said goes to standard error: standard output belongs to the command.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from guardrails.evidence import GateRecord
    from guardrails.preflight.own_checks import OwnChecks

NOT_EXECUTABLE, NOT_FOUND = 126, 127
LONGEST_WAIT = 3600.0
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Stopped(BaseException):
    """A signal asked for the end before there was a command to hand it to."""


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smh]?)", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no duration: write 45s, 2m or 1h")
    seconds = float(found[1]) * UNITS[found[2]]
    if seconds > LONGEST_WAIT:
        raise click.BadParameter(f"{value} is longer than {LONGEST_WAIT:g} s")
    return seconds


@click.command(
    "run",
    short_help="Run the gate, then become a command.",
    # What follows the command's name is the command's, also where `--` was forgotten.
    context_settings={"allow_interspersed_args": False},
    epilog="Example: guardrails run --wait 60s -- gunicorn app.main:app",
)
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--wait",
    callback=_seconds,
    default="0s",
    metavar="TIME",
    help="Repeat the project's own checks until they pass, for so long at most: 60s, 2m. Default: 0s.",
)
@click.option("--degraded-ok", is_flag=True, help="Start although checks failed, if all of them are optional ones.")
@click.option("--profile", metavar="NAME", default="entrypoint", show_default=True, help="A shipped profile.")
@click.option("--project", type=click.Path(path_type=Path), default=".", help="The project's folder. Default: here.")
def command(cmd: tuple[str, ...], wait: float, degraded_ok: bool, profile: str, project: Path) -> None:  # noqa: FBT001
    """Run the gate over the project and, when it passes, replace this process by CMD.

    CMD keeps the process id, standard input, the environment and its own exit status, and signals reach it. When the
    gate does not pass, CMD is not started and the exit status is the gate's: 1 a check failed, 2 usage or
    configuration error, 3 could not find out. 127: there is no CMD; 126: it cannot be executed; 128+n: ended by
    signal n before CMD was started.
    """
    if sys.platform == "win32":
        raise click.UsageError(
            "Windows cannot replace a process by another one: write `guardrails preflight && CMD` instead"
        )
    environ = as_given(os.environ)
    program = program_of(cmd[0])
    with _signals_end_it():
        record, own = _gate(project, profile, wait)
        optional = _only_optional(record, own)
        if record.exit_code and not (degraded_ok and optional):
            from guardrails.preflight.outputs.human import render

            click.echo(render(record), nl=False, err=True)
            hint = "; --degraded-ok starts it, because only optional checks failed" if optional else ""
            click.echo(f"guardrails: {cmd[0]} was not started{hint}", err=True)
            sys.exit(record.exit_code)
        _say_how(record, own, cmd[0])
        _reap()
        _become(program, cmd, environ)


def as_given(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what this interpreter added to it: LC_CTYPE, where the locale was C (PEP 538)."""
    given = dict(environ)
    try:
        block = Path("/proc/self/environ").read_bytes()
    except OSError:
        return given
    if not any(entry.startswith(b"LC_CTYPE=") for entry in block.split(b"\0")):
        given.pop("LC_CTYPE", None)
    return given


def program_of(name: str) -> str:
    """The file of the command. Ends with 127 or 126, as shells do, before minutes are spent on checks."""
    import shutil

    found = shutil.which(name)
    if found is not None:
        return found
    if os.sep in name and Path(name).is_dir():
        _refuse(NOT_EXECUTABLE, f"{name} is a folder")
    if os.sep in name and Path(name).exists():
        _refuse(NOT_EXECUTABLE, f"{name} may not be executed: chmod +x {name}")
    where = "no such file" if os.sep in name else "not found on the PATH"
    return _refuse(NOT_FOUND, f"{name}: {where}")


def _refuse(status: int, reason: str) -> NoReturn:
    click.echo(f"guardrails: {reason}", err=True)
    sys.exit(status)


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """SIGTERM and SIGINT end the gate at once. Without a handler, process 1 of a container does not even hear them."""

    def stop(number: int, _: object) -> NoReturn:
        raise Stopped(number)

    # What whoever started us ignores stays ignored, for the command too.
    heard = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    except Stopped as exc:
        number = exc.args[0]
        click.echo(f"guardrails: ended by {signal.Signals(number).name}; nothing was started", err=True)
        sys.exit(128 + number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _gate(project: Path, profile: str, wait: float) -> tuple[GateRecord, OwnChecks]:
    import gc

    from guardrails.cli.preflight import configured
    from guardrails.preflight.engine import run_gate
    from guardrails.preflight.own_checks import OwnChecks

    gc.disable()  # `guardrails preflight` does so too, and says why
    config = configured(project, profile, no_record=False)
    own = OwnChecks(wait, config.preflight.deadline)
    return run_gate(project, config=config, own=own, argv=["guardrails", *sys.argv[1:]]), own


def _only_optional(record: GateRecord, own: OwnChecks) -> bool:
    """Whether optional checks alone keep the gate from passing."""
    from guardrails.preflight.own_checks import check_of

    failing = ("error", "warning") if record.strict else ("error",)
    blamed = {check_of(f) for f in record.findings if f.severity in failing and not f.excused}
    blamed |= {check.id for check in record.checks if check.status == "error"}
    unread = not record.summary["files"] or (record.strict and record.not_analysed)
    return blamed <= own.optional and not unread


def _say_how(record: GateRecord, own: OwnChecks, name: str) -> None:
    from guardrails.preflight.outputs.human import verdict_line

    for check in record.checks:
        if check.id in own.optional and check.status in ("failed", "error"):
            click.echo(f"guardrails: DEGRADED: {check.id}: {check.reason}", err=True)
    click.echo(f"guardrails: {verdict_line(record)}; starting {name}", err=True)


def _reap() -> None:
    """Process 1 inherits the orphans of the container; the command does not know those that have ended by now."""
    while os.getpid() == 1:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def _become(program: str, cmd: tuple[str, ...], environ: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these two for itself, and a command would inherit that.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program, cmd, environ)  # noqa: S606 - no shell, on purpose
    except FileNotFoundError:
        _refuse(NOT_EXECUTABLE, f"{cmd[0]}: the interpreter that its first line names does not exist")
    except OSError as exc:
        _refuse(NOT_EXECUTABLE, f"{cmd[0]} cannot be executed: {exc.strerror}")
