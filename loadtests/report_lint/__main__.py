"""How often the lint of reports is wrong on texts that nobody here wrote: `python -m loadtests.report_lint`.

Downloads the source releases that `releases.toml` names from the package index, takes their Markdown files
(read-mes, changelogs, guides), lints each as a text alone, and holds every error against the judgement written
beside it, made by reading the text. An error without a judgement makes the run fail: read it, then write down
what it is. Warnings are counted by rule.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from pathlib import Path

import click

from guardrails.evidence import Severity
from guardrails.reports.lint import lint

HERE = Path(__file__).parent


@click.command(epilog="Example: python -m loadtests.report_lint --only httpx")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/texts"), show_default=True)
@click.option("--only", default="", help="Only releases whose name holds this text.")
def main(folder: Path, only: str) -> None:
    """Measure the false accusations on texts of released packages."""
    data = tomllib.loads((HERE / "releases.toml").read_text("utf-8"))
    judged = {(entry["release"], entry["path"], entry["rule"]): entry["true"] for entry in data.get("judged", ())}
    warnings: Counter[str] = Counter()
    unread: list[str] = []
    false: list[str] = []
    true: list[str] = []
    texts = lines = 0
    for release in (name for name in data["releases"] if only in name):
        home = unpacked(release, folder)
        for path in sorted(home.rglob("*.md")):
            content = path.read_bytes()
            texts, lines = texts + 1, lines + content.count(b"\n")
            name = path.relative_to(home).as_posix()
            for found in lint(content, path, repository=None).findings:
                if found.severity is not Severity.ERROR:
                    warnings[found.rule] += 1
                    continue
                verdict = judged.get((release, name, found.rule))
                told = f"{release} {name}:{found.line} {found.rule}: {found.claim} | {found.why}"
                (unread if verdict is None else true if verdict else false).append(told)
    click.echo(f"{texts} texts, {lines:,} lines: {len(true)} true, {len(false)} false, {len(unread)} not judged")
    click.echo(f"warnings: {dict(sorted(warnings.items()))}")
    for told in (*false, *unread):
        click.echo(told)
    sys.exit(3 if unread else 1 if false else 0)


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
