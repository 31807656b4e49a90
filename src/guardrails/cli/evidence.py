"""`guardrails evidence`: records of what was run and seen, and what may be said because of them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from guardrails.cli.evidence_add import add, watch
from guardrails.cli.evidence_options import PATH, check_option, name_of, watch_option
from guardrails.cli.evidence_show import claim, claims, list_records, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.wrapping import Ran


@click.group(
    "evidence",
    short_help="Records of what was run and seen, for claims to lean on.",
    epilog="Example: guardrails evidence run --check unit -- pytest --junitxml=junit.xml",
)
def command() -> None:
    """Records of what was run and seen, and of which state of the code; and the claims that lean on them."""


for part in (add, watch, list_records, show, claim, claims):
    command.add_command(part)


@command.command(
    "run",
    short_help="Run a command as it is, and keep what came of it.",
    # What follows the command's name is the command's, also where `--` was forgotten.
    context_settings={"allow_interspersed_args": False},
    epilog="Example: guardrails evidence run --check unit -- pytest --junitxml=junit.xml",
)
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED)
@check_option
@watch_option
@click.option("--junit", type=PATH, help="The test results that CMD writes. Default: what its --junitxml names.")
@click.option("--coverage", type=PATH, help="The coverage that CMD writes, as XML or JSON.")
@click.option("--known", type=click.File(encoding="utf-8"), help="Holds names of tests known to fail, one a line.")
@click.option(
    "--target", callback=name_of, default="", metavar="NAME", help="CMD runs in this environment, which counts."
)
@click.option("--measure", "pattern", metavar="REGEX", help="The figure that CMD prints: the first group.")
@click.option(
    "--better",
    type=click.Choice(["lower", "higher"]),
    default="lower",
    show_default=True,
    help="Which figure is the better one: of seconds the lower, of requests a second the higher.",
)
def run_command(cmd: tuple[str, ...], **given: Any) -> None:
    """Run CMD, and keep a record of it in .guardrails/evidence/. Its streams, exit status and signals stay as they are.

    Exit status: that of CMD; ended by a signal, so does this command. 127: there is no CMD; 126: it cannot be executed;
    2: usage, and nothing ran. What could not be recorded is said on standard error and changes no exit status.
    """
    from guardrails.cli.run import as_given, program_of
    from guardrails.reports.wrapping import run_wrapped

    if sys.platform == "win32":
        raise click.UsageError("Windows has neither the signals nor the terminals that are handed on here")
    environ = as_given(os.environ)
    program = program_of(cmd[0])
    recorded = _prepared(cmd, program, **given)
    try:
        ran = run_wrapped(program, cmd, environ)
    except OSError as exc:
        click.echo(f"guardrails: {cmd[0]} cannot be executed: {exc.strerror}", err=True)
        sys.exit(126)
    _report(recorded, ran)
    _end_as(ran.status)


def _prepared(
    cmd: tuple[str, ...],
    program: str,
    *,
    check: str,
    patterns: Sequence[str],
    junit: Path | None,
    coverage: Path | None,
    known: Any,
    target: str,
    pattern: str | None,
    better: str,
) -> Callable[[Ran], EvidenceRecord]:
    """All that is looked at before the run; what comes back makes and writes the record after it."""
    from guardrails.reports import recording
    from guardrails.reports.command_facts import redactor_of, versions_of, without_secrets
    from guardrails.reports.ledger import write_record
    from guardrails.reports.measures import found_in, measure

    figure = _pattern(pattern)
    here = Path.cwd()
    scene = recording.look(here)
    places = (junit or _own_junit(cmd), coverage)
    files = [None if place is None else recording.Awaited.at(place, scene) for place in places]
    blank = recording.blank(scene, check, "command", 0.0, recording.products_of(*files))
    blank = blank._replace(watched=recording.watch(scene, patterns, here))
    names = None if known is None else frozenset(line.strip() for line in known if line.strip() and line[0] != "#")
    redactor = redactor_of(os.environ)

    def made(ran: Ran) -> EvidenceRecord:
        shown = without_secrets(cmd, redactor)
        said: dict[str, Any] = {
            "argv": shown,
            "cwd": scene.at(here),
            "exit_code": ran.status if ran.status >= 0 else None,
            "signal": -ran.status if ran.status < 0 else None,
            "stdout": ran.stdout.kept(redactor),
            "stderr": ran.stderr.kept(redactor),
        }
        record = recording.of_command(
            scene, blank, ran, argv=cmd, command=said, junit=files[0], coverage=files[1], known=names, target=target
        )
        record = record._replace(versions=versions_of(program, cmd))
        if figure is not None:
            value = found_in([said[name][end] for name in ("stdout", "stderr") for end in ("head", "tail")], figure)
            if value is None:
                record = record._replace(doubts=(*record.doubts, "it printed no figure that --measure finds"))
            else:
                method = [list(shown), said["cwd"], pattern]
                record = record._replace(measure=measure(value, 1, None, method, better))
        return write_record(scene.top, record, redactor)

    return made


def _report(recorded: Callable[[Ran], EvidenceRecord], ran: Ran) -> None:
    """Write the record, and say so to a person; to a program only what went wrong."""
    from guardrails.errors import GuardrailsError
    from guardrails.redact import redacted

    try:
        record = recorded(ran)
    except Exception as exc:  # noqa: BLE001 - the status is the command's, whatever becomes of the record
        why = redacted(str(exc)) if isinstance(exc, GuardrailsError) else f"internal error ({type(exc).__name__})"
        click.echo(f"guardrails: not recorded: {why}", err=True)
        return
    for doubt in record.doubts:
        click.echo(f"guardrails: {doubt}", err=True)
    if sys.stderr.isatty():
        click.echo(f"guardrails: {record.id} {record.check} {record.outcome} {record.rung}: {record.summary}", err=True)


def _own_junit(cmd: Sequence[str]) -> Path | None:
    for place, word in enumerate(cmd):
        name, equals, value = word.partition("=")
        if name in {"--junitxml", "--junit-xml"}:
            return Path(value) if equals else Path(cmd[place + 1]) if place + 1 < len(cmd) else None
    return None


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        found = re.compile(text, re.MULTILINE)
    except re.error as exc:
        raise click.BadParameter(f"{text!r} is no regular expression: {exc}", param_hint="--measure") from exc
    if found.groups < 1:
        raise click.BadParameter(
            f"{text!r} has no group around the figure: write 'p95 (\\d+) ms'", param_hint="--measure"
        )
    return found


def _end_as(status: int) -> NoReturn:
    """Whoever waits for us sees what it would have seen of the command."""
    sys.stdout.flush()
    sys.stderr.flush()
    if status < 0:
        import resource
        import signal

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one core of the two is enough
        if -status not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status if status >= 0 else 128 - status)
