"""`guardrails report lint`: where a report contradicts itself or its repository; each finding with place and fix."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from guardrails.cli.bar import Bar
from guardrails.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.reports.lint import Outcome
    from guardrails.reports.lint_facts import Found

VERDICTS = {0: ("passed", "PASSED"), 1: ("failed", "CONTRADICTED"), 3: ("unknown", "COULD NOT FIND OUT")}


class Read(NamedTuple):
    """One report and what came of it. `repaired`: lines that --fix-encoding wrote anew."""

    name: str
    outcome: Outcome
    repaired: int = 0


@click.command(
    "lint",
    short_help="Say where a report contradicts itself or its repository.",
    epilog="Example: guardrails report lint STATUS.md",
)
@click.argument("files", metavar="FILE.md [...]", nargs=-1, required=True)
@click.option(
    "--repo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The repository that the reports speak of.  [default: the one around each file]",
)
@click.option("--no-repo", is_flag=True, help="Look at the text alone.")
@click.option(
    "--strict", is_flag=True, help="Warnings fail, too: a word without its evidence, a table that does not render."
)
@click.option(
    "--fix-encoding", is_flag=True, help="Repair lines whose UTF-8 was once read as another encoding, in the file."
)
@click.option("--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True)
def lint(files: tuple[str, ...], repo: Path | None, no_repo: bool, strict: bool, fix_encoding: bool, form: str) -> None:  # noqa: FBT001
    """Say where reports in Markdown contradict themselves or their repository, whoever wrote them. - is stdin.

    A contradiction is an error; a word without the evidence that it needs ("tested", "faster", "production
    ready") is a warning. Nothing is run but git, which only reads.
    Exit status: 0 nothing contradicted, 1 contradicted, 2 usage error, 3 could not find out all, and what was
    looked at is not contradicted.
    """
    if repo is not None and no_repo:
        raise click.UsageError("--repo and --no-repo exclude each other")
    if fix_encoding and "-" in files:
        raise click.UsageError("--fix-encoding writes files, and - is none")
    data = [(name, _bytes(name)) for name in files]
    reads = []
    bar = Bar("reading", "reports")
    for number, (name, content) in enumerate(data):
        bar.show(number, len(data))
        folder = None if no_repo else repo or _repository(name)
        reads.append(_read(name, content, folder, fix=fix_encoding))
    bar.clear()
    failed = any(read.outcome.contradicted or (strict and read.outcome.findings) for read in reads)
    status = 1 if failed else 3 if any(read.outcome.unknown for read in reads) else 0
    say(_as_json(reads, status) if form == "json" else "\n".join(_as_text(reads, status)) + "\n")
    sys.exit(status)


def _bytes(name: str) -> bytes:
    from guardrails.reports.lint import MOST_BYTES

    try:
        if name == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with Path(name).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise click.UsageError(f"{name}: {reason}. Give Markdown files, or - for stdin") from exc


def _repository(name: str) -> Path | None:
    """The folder of the file, if a repository is around it."""
    folder = Path.cwd() if name == "-" else Path(name).resolve().parent
    return folder if any(os.path.lexists(place / ".git") for place in (folder, *folder.parents)) else None


def _read(name: str, content: bytes, repository: Path | None, *, fix: bool) -> Read:
    from guardrails.reports.lint import lint as look

    count = 0
    if fix:
        content, count = _repaired(Path(name), content)
    return Read(name, look(content, Path.cwd() / "-" if name == "-" else Path(name), repository=repository), count)


def _repaired(path: Path, content: bytes) -> tuple[bytes, int]:
    """Write the file anew where lines are damaged; a file that is not UTF-8, or cut by the bound, stays."""
    from guardrails.reports.lint import MOST_BYTES
    from guardrails.reports.lint_encoding import repaired_text

    try:
        text, count = repaired_text(content.decode("utf-8"))
    except UnicodeDecodeError:
        return content, 0
    if not count or len(content) > MOST_BYTES:
        return content, 0
    # Beside the file and then in its place, so that an end at any moment leaves one of the two whole; with its mode,
    # since this is a file of the user's.
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(text.encode("utf-8"))
        beside.chmod(target.stat().st_mode & 0o7777)
        beside.replace(target)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        raise click.UsageError(f"{path}: cannot be written: {exc.strerror}") from exc
    return text.encode("utf-8"), count


def _as_json(reads: list[Read], status: int) -> str:
    import json

    said = {
        "lint_version": 1,
        "verdict": VERDICTS[status][0],
        "exit_code": status,
        "findings": [{"path": read.name, **_clean(found)} for read in reads for found in read.outcome.findings],
        "claims": [
            {"path": read.name, "line": claim.line, "text": _redacted(claim.text), "verdict": claim.verdict}
            for read in reads
            for claim in read.outcome.claims
        ],
        "files": [
            {
                "path": read.name,
                "unknown": [_redacted(text) for text in read.outcome.unknown],
                "notes": list(read.outcome.notes),
                "omitted": read.outcome.omitted,
                "repaired": read.repaired,
            }
            for read in reads
        ],
    }
    return json.dumps(said, indent=2) + "\n"


def _clean(found: Found) -> dict[str, object]:
    texts = {name: _redacted(getattr(found, name)) for name in ("claim", "why", "evidence", "fix")}
    return {**found._asdict(), **texts}


def _redacted(text: str) -> str:
    from guardrails.redact import redacted

    return redacted(text)


def _as_text(reads: list[Read], status: int) -> Iterator[str]:
    from guardrails.evidence import Severity
    from guardrails.mdtext import visible

    errors = warnings = 0
    for read in reads:
        for found in read.outcome.findings:
            errors += found.severity is Severity.ERROR
            warnings += found.severity is not Severity.ERROR
            yield from (visible(_redacted(line)) for line in _lines(read.name, found))
            yield ""
        if read.outcome.omitted:
            yield f"… and {read.outcome.omitted:,} more"
        if read.repaired:
            yield visible(f"repaired  {read.name}: {read.repaired} line{'s' * (read.repaired != 1)}")
        for note in read.outcome.notes:
            yield visible(f"note  {read.name}: {note}")
        for unknown in read.outcome.unknown:
            yield visible(_redacted(f"not found out  {read.name}: {unknown}"))
    counts = [f"{errors} error{'s' * (errors != 1)}", f"{warnings} warning{'s' * (warnings != 1)}"]
    names = reads[0].name if len(reads) == 1 else f"{len(reads)} files"
    yield visible(f"{VERDICTS[status][1] if errors or status != 1 else 'FAILED'}  {', '.join(counts)} · {names}")


def _lines(name: str, found: Found) -> Iterator[str]:
    yield f"{found.severity.value} {found.rule}  {name}:{found.line}:{found.column}"
    yield f"  says    {found.claim}"
    yield f"  but     {found.why}"
    yield f"  see     {found.evidence}"
    yield f"  fix     {found.fix}"
