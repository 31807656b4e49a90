"""`guardrails evidence add` and `watch`: what was not run here, and what a log says while one looks."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardrails.cli.evidence_options import FILE, check_option, name_of, watch_option
from guardrails.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.recording import Scene

LONGEST_WATCH = 86_400.0
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
STATUS = {"passed": 0, "failed": 1, "unknown": 3}
patterns_option = click.option(
    "--patterns",
    "file",
    type=FILE,
    required=True,
    metavar="FILE",
    help="What to count, as TOML: see docs/guides/evidence.md.",
)


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smh])", value)
    if found is None or not 0 < float(found[1]) * UNITS[found[2]] <= LONGEST_WATCH:
        raise click.BadParameter(f"{value!r} is no duration up to 24h: write 45s, 10m or 1h")
    return float(found[1]) * UNITS[found[2]]


@click.group(
    "add",
    short_help="Record what a file, a service or a person says.",
    epilog="Example: guardrails evidence add junit --check unit junit.xml",
)
def add() -> None:
    """Record what a file, a service or a person says. What it does not say of itself, such as a commit, it proves not.

    Exit status of each: 0 it speaks for the check, 1 against it, 3 it proves nothing, 2 usage.
    """


@add.command(
    "junit", short_help="Test results.", epilog="Example: guardrails evidence add junit --check unit junit.xml"
)
@check_option
@watch_option
@click.argument("file", type=FILE)
def junit(check: str, patterns: tuple[str, ...], file: Path) -> None:
    """Test results, of the commit that FILE names in a property called commit."""
    from guardrails.reports.adding import of_junit

    scene = _scene()
    _keep(scene, of_junit(scene, check, file, time.time()), patterns)


@add.command(
    "coverage", short_help="Coverage.", epilog="Example: guardrails evidence add coverage --check unit coverage.xml"
)
@check_option
@watch_option
@click.argument("file", type=FILE)
def coverage(check: str, patterns: tuple[str, ...], file: Path) -> None:
    """Coverage, as Cobertura XML or JSON. Such a file names no commit; `evidence run --coverage` knows which it was."""
    from guardrails.reports.adding import of_coverage

    scene = _scene()
    _keep(scene, of_coverage(scene, check, file, time.time()), patterns)


@add.command(
    "preflight", short_help="The gate's last record.", epilog="Example: guardrails evidence add preflight --check gate"
)
@check_option
@watch_option
@click.option("--project", type=click.Path(path_type=Path), default=".", help="Where the gate ran. Default: here.")
def gate(check: str, patterns: tuple[str, ...], project: Path) -> None:
    """What the last `guardrails preflight` found."""
    from guardrails.reports.adding import of_preflight

    scene = _scene()
    _keep(scene, of_preflight(scene, check, project), patterns)


@add.command(
    "logcount",
    short_help="Lines of a log.",
    epilog="Example: guardrails evidence add logcount --check errors --patterns patterns.toml app.log",
)
@check_option
@watch_option
@patterns_option
@click.argument("logs", nargs=-1, required=True, type=FILE)
def logcount(check: str, patterns: tuple[str, ...], file: Path, logs: tuple[Path, ...]) -> None:
    """Count in LOGS what must be none and what must come. Their times tell how long a window they cover."""
    from guardrails.reports.adding import of_log
    from guardrails.reports.logcount import Counter, read_patterns

    scene = _scene()
    counter = Counter(read_patterns(file))
    for log in logs:
        with log.open("rb", buffering=0) as stream:
            counter.read(stream)
        counter.finish()
    _keep(scene, of_log(scene, check, counter, time.time(), counter.window, logs=logs), patterns)


@add.command(
    "http",
    short_help="What a service answers.",
    epilog="Example: guardrails evidence add http --check smoke --target production https://example.org/version",
)
@check_option
@watch_option
@click.option("--target", callback=name_of, default="", metavar="NAME", help="The environment that answers.")
@click.argument("url")
def http(check: str, patterns: tuple[str, ...], target: str, url: str) -> None:
    """Ask URL. It proves a deployment (E4) when it answers 2xx and names the commit that is checked out here."""
    from guardrails.reports.adding import of_page

    scene = _scene()
    _keep(scene, of_page(scene, check, url, target, time.time()), patterns)


@add.command(
    "manual",
    short_help="What a person saw.",
    epilog='Example: guardrails evidence add manual --check login --by ann@example.org "logged in with a passkey"',
)
@check_option
@watch_option
@click.option("--by", required=True, metavar="WHO", help="Who saw it: a name or an address.")
@click.option(
    "--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"]), help="When, in UTC. Default: now."
)
@click.argument("text")
def manual(check: str, patterns: tuple[str, ...], by: str, at: object, text: str) -> None:
    """What a person saw. A claim that leans on it is MANUAL, and says who and when."""
    import datetime as dt

    from guardrails.reports.adding import of_person

    if not by.strip() or not text.strip():
        raise click.UsageError("say who saw what: --by and TEXT are not empty")
    now = time.time()
    when = at.replace(tzinfo=dt.UTC).timestamp() if isinstance(at, dt.datetime) else now
    scene = _scene()
    _keep(scene, of_person(scene, check, text, by, when, now), patterns)


@click.command(
    "watch",
    short_help="Count what a log says from now on.",
    epilog="Example: guardrails evidence watch --check errors --for 10m --patterns patterns.toml /var/log/app.log",
)
@check_option
@watch_option
@click.option("--for", "seconds", required=True, callback=_seconds, metavar="TIME", help="How long: 45s, 10m, 1h.")
@patterns_option
@click.argument("log", type=FILE)
def watch(check: str, patterns: tuple[str, ...], seconds: float, file: Path, log: Path) -> None:
    """Count the lines that come to LOG, also when it is rotated or truncated meanwhile.

    Exit status: 0 all patterns as expected, 1 one is not, 3 no line came, 2 usage.
    """
    from guardrails.reports.adding import of_log
    from guardrails.reports.logcount import Counter, read_patterns
    from guardrails.reports.watching import watch_log

    scene = _scene()
    counter = Counter(read_patterns(file))
    went = watch_log(log, counter, seconds, shown=_show)
    record = of_log(scene, check, counter, went.started, went.duration, logs=[log])
    happened = {"rotated": went.rotated, "truncated": went.truncated}
    record = record._replace(facts={**record.facts, **happened})
    if went.truncated:
        lost = f"the log was truncated {went.truncated} times: lines may be lost"
        outcome = record.outcome if record.outcome == "failed" else "unknown"
        record = record._replace(outcome=outcome, doubts=(*record.doubts, lost))
    _keep(scene, record, patterns)


def _scene() -> Scene:
    from guardrails.reports.recording import look

    return look(Path.cwd())


def _keep(scene: Scene, record: EvidenceRecord, patterns: Sequence[str]) -> None:
    import os

    from guardrails.cli.evidence_show import line_of
    from guardrails.reports.command_facts import redactor_of
    from guardrails.reports.ledger import write_record
    from guardrails.reports.recording import watch as watched

    record = record._replace(watched=watched(scene, patterns, Path.cwd()))
    kept = write_record(scene.top, record, redactor_of(os.environ))
    say("\n".join([line_of(kept), *(f"  {doubt}" for doubt in kept.doubts)]) + "\n")
    sys.exit(STATUS[kept.outcome])


def _show(left: float) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{left:6.0f} s left ", nl=False, err=True)
