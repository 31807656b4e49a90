"""How often the lint of reports is wrong on texts that nobody here wrote: `python -m loadtests.report_lint`.

Downloads the source releases that `releases.toml` names from the package index, takes their Markdown files
(read-mes, changelogs, guides), lints each as a text alone, and holds every error against the judgement written
beside it, made by reading the text. With --clones it does the same beside real histories, and plants falsehoods
(`planted`). An error without a judgement makes the run fail: read it, then write down what it is.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import click

from guardrails.evidence import Severity
from guardrails.reports.lint import lint
from loadtests.report_lint.planted import Tally, measure, table

HERE = Path(__file__).parent
RECALL = 0.9


@click.command(epilog="Example: python -m loadtests.report_lint --clones ../clones --write docs/lint-precision.md")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/texts"), show_default=True)
@click.option("--only", default="", help="Only releases and clones whose name holds this text.")
@click.option(
    "--clones",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of git clones with their whole history, each in a folder of its name: their texts are held against "
    "them, and false claims planted.",
)
@click.option("--write", type=click.Path(path_type=Path), help="Write the figures as a page.")
def main(folder: Path, only: str, clones: Path | None, write: Path | None) -> None:
    """Measure the false accusations on texts of others, and how many planted falsehoods are found."""
    data = tomllib.loads((HERE / "releases.toml").read_text("utf-8"))
    judged = Judged(
        {(entry["release"], entry["path"], entry["rule"]): entry["true"] for entry in data.get("judged", ())}
    )
    releases = [release for release in data["releases"] if only in release]
    texts, lines = 0, 0
    for release in releases:
        found, read = of_release(release, unpacked(release, folder), judged)
        texts, lines = texts + found, lines + read
    click.echo(f"{texts} texts of {len(releases)} releases, {lines:,} lines: {judged}")
    parts = [f"| texts of {len(releases)} released packages, alone | {texts} | {judged.cells()} |"]
    tallies = []
    for clone in sorted(path.parent for path in clones.glob("*/.git") if only in path.parent.name) if clones else []:
        tallies.append(measure(clone))
        told = Judged(judged.verdicts)
        for path, rule, said in tallies[-1].accused:
            told.add(clone.name, path, rule, said)
        judged.take(told)
        n = tallies[-1].texts + tallies[-1].statements
        click.echo(
            f"{clone.name}: {n} texts and statements: {told}; found {tallies[-1].found.total()} of "
            f"{tallies[-1].planted.total()} planted"
        )
        name = f"`{clone.name}` at `{tallies[-1].commit}`: texts and true statements, beside its history"
        parts.append(f"| {name} | {n} | {told.cells()} |")
    for line in (*judged.false, *judged.unread, *(miss for tally in tallies for miss in tally.missed)):
        click.echo(line)
    if write is not None:
        write.write_text(page(parts, tallies), "utf-8")
    planted = sum(tally.planted.total() for tally in tallies)
    recalled = sum(tally.found.total() for tally in tallies) >= RECALL * planted
    sys.exit(3 if judged.unread else 0 if recalled and not judged.false else 1)


class Judged:
    """The errors met so far, by what a reader of the text found them to be."""

    def __init__(self, verdicts: dict[tuple[str, str, str], bool]) -> None:
        self.verdicts = verdicts
        self.true: list[str] = []
        self.false: list[str] = []
        self.unread: list[str] = []

    def add(self, source: str, path: str, rule: str, said: str) -> None:
        verdict = self.verdicts.get((source, path, rule))
        (self.unread if verdict is None else self.true if verdict else self.false).append(
            f"{source} {path} {rule}: {said}"
        )

    def take(self, other: Judged) -> None:
        self.true += other.true
        self.false += other.false
        self.unread += other.unread

    def cells(self) -> str:
        return f"{len(self.true)} | {len(self.false)}"

    def __str__(self) -> str:
        return f"{len(self.true)} true, {len(self.false)} false, {len(self.unread)} not judged"


def of_release(release: str, home: Path, judged: Judged) -> tuple[int, int]:
    """Lint its texts; how many texts and lines they are."""
    texts = lines = 0
    for path in sorted(home.rglob("*.md")):
        content = path.read_bytes()
        texts, lines = texts + 1, lines + content.count(b"\n")
        name = path.relative_to(home).as_posix()
        for found in lint(content, path, repository=None).findings:
            if found.severity is Severity.ERROR:
                judged.add(release, name, found.rule, f"{found.line}: {found.claim} | {found.why}")
    return texts, lines


def page(parts: list[str], tallies: list[Tally]) -> str:
    """The figures as Markdown."""
    planted = sum(tally.planted.total() for tally in tallies)
    found = sum(tally.found.total() for tally in tallies)
    return "\n".join(
        [
            "# How often the lint of reports is wrong",
            "",
            "Written by `python -m loadtests.report_lint --clones FOLDER --write docs/lint-precision.md`.",
            "The rules stand in the [guide](guides/report-lint.md).",
            "",
            "## False accusations",
            "",
            "Texts that nobody here wrote: read-mes, changelogs, guides, messages of commits that name other commits.",
            "Each error was judged by reading the text (`loadtests/report_lint/releases.toml`).",
            "",
            "| texts | n | errors that are true | false accusations |",
            "|---|--:|--:|--:|",
            *parts,
            "",
            "## Falsehoods planted",
            "",
            '"In its own words": a hash or a path in such a text was changed, whatever the text says of it. A path in',
            "an example is no claim, so many of these are passed over. All others are statements made from the history",
            'of the clone in the form that reports use, true, and then false by one fact. "Subject of no commit" is a',
            "message that nobody wrote: people put messages into words of their own, so it is held against no one.",
            "",
            table(tallies),
            "",
            f"Recall: {found} of {planted} ({100 * found / max(planted, 1):.1f} %).",
            "",
        ]
    )


def unpacked(release: str, folder: Path) -> Path:
    """The Markdown files of a source release, downloaded once."""
    home = folder / release.replace("==", "-")
    if not home.is_dir():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
        subprocess.run([*command, "--dest", str(folder), release], check=True)
        (archive,) = folder.glob(f"{home.name.replace('-', '[-_]')}.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(home, [member for member in tar if member.name.endswith(".md")], filter="data")
    return home


if __name__ == "__main__":
    main()
