"""How often the gate is wrong on code that nobody here wrote: `python -m loadtests.precision`.

Downloads the releases that `trees.toml` names from the package index (wheels, unpacked and never imported),
runs the gate over each, and holds every error-level finding against the judgement written beside it, made by
reading the code. A finding without a judgement makes the run fail: read it, then write down what it is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import click

from guardrails.preflight import catalogue, families

HERE = Path(__file__).parent
TARGET = 1.0  # false error-level findings per 100,000 lines


class Result(NamedTuple):
    """One release and what the gate said of it."""

    tree: str
    summary: dict[str, int]
    findings: list[dict[str, Any]]
    seconds: float


class Judged(NamedTuple):
    """The error-level findings of all trees, sorted by what reading showed."""

    true: list[str]
    false: list[str]
    unjudged: list[str]


@click.command(epilog="Example: python -m loadtests.precision --only litellm")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/trees"), show_default=True)
@click.option("--only", default="", help="Only releases whose name holds this text.")
@click.option("--write", type=click.Path(path_type=Path), help="Write the table to this Markdown file.")
def main(folder: Path, only: str, write: Path | None) -> None:
    """Measure the precision of error-level findings on released packages."""
    data = tomllib.loads((HERE / "trees.toml").read_text("utf-8"))
    results = []
    for release in data["releases"]:
        if only in release:
            results.append(gate(release, unpacked(release, folder)))
            click.echo(row(results[-1]))
    judged = judge(results, data["judged"])
    text = report(results, judged)
    click.echo("\n" + text)
    if write is not None:
        write.write_text(text, encoding="utf-8")
    sys.exit(exit_status(results, judged))


def unpacked(release: str, folder: Path) -> Path:
    """The release's files, downloaded once. Nothing of them is executed: wheels need no build."""
    home = folder / release.replace("==", "-")
    if not home.is_dir():
        wheels = folder / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--python-version", "3.11", "--dest", str(wheels), release], check=True)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            wheel.extractall(home)
        shutil.rmtree(wheels)
    return home


def gate(release: str, home: Path) -> Result:
    """Run the gate cold. A crash of it ends the measurement."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "guardrails", "preflight", "--static", "--no-record", "--format", "json"]
    done = subprocess.run([*command, str(home)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise click.ClickException(f"{release}: the gate ended with status {done.returncode}: {done.stderr}")
    record = json.loads(done.stdout)
    return Result(release, record["summary"], record["findings"], time.monotonic() - begun)


def judge(results: list[Result], verdicts: list[dict[str, Any]]) -> Judged:
    """Sort every error-level finding by the judgement of its release, rule and path."""
    known = {(v["release"], v["rule"], v["path"]): v for v in verdicts}
    judged = Judged([], [], [])
    for result in results:
        for finding in result.findings:
            if finding["severity"] != "error":
                continue
            place = f"{result.tree} {finding['path']}:{finding['line'] or '-'} {finding['rule']}"
            verdict = known.get((result.tree, finding["rule"], finding["path"]))
            if verdict is None:
                judged.unjudged.append(f"{place}: {finding['message']}")
            else:
                (judged.true if verdict["true"] else judged.false).append(f"{place}: {verdict['reason']}")
    return judged


def exit_status(results: list[Result], judged: Judged) -> int:
    """0 within the target, 1 beyond it, 3 where a finding was not judged and so nothing is known."""
    lines = sum(result.summary["lines"] for result in results)
    if judged.unjudged:
        return 3
    return int(len(judged.false) > TARGET * lines / 100_000)


def silent_rules(results: list[Result]) -> list[str]:
    """The error-level rules that found nothing in any release; of those that could, reading the code alone."""
    found = {finding["rule"] for result in results for finding in result.findings}
    errors = [rule for rule in catalogue() if rule.severity == "error" and rule.family in families.FAMILIES]
    return [rule.id for rule in errors if rule.id not in found]


def row(result: Result) -> str:
    """One line of the table."""
    s = result.summary
    rules: dict[str, int] = {}
    for finding in result.findings:
        if finding["severity"] != "info":
            key = f"{finding['rule']} {finding['severity']}"
            rules[key] = rules.get(key, 0) + 1
    found = ", ".join(f"{count} × {key}" for key, count in sorted(rules.items())) or "–"
    name, _, version = result.tree.partition("==")
    return f"| {name} | {version} | {s['lines']:,} | {s['not_analysed']} | {found} | {result.seconds:.1f} |"


def report(results: list[Result], judged: Judged) -> str:
    """The Markdown page."""
    lines = sum(result.summary["lines"] for result in results)
    errors = len(judged.true) + len(judged.false) + len(judged.unjudged)
    rate = len(judged.false) * 100_000 / lines if lines else 0.0
    sums = (
        f"{len(results)} releases, {lines:,} lines, {errors} error-level findings: {len(judged.true)} true, "
        f"{len(judged.false)} false, {len(judged.unjudged)} not judged. False per 100,000 lines: {rate:.3f} "
        f"(target: at most {TARGET:g})."
    )
    head = [
        "# Precision on released packages",
        "",
        "Measured by `python -m loadtests.precision --write docs/precision.md`. Each release is unpacked from the",
        "package index and never imported; each error-level finding was judged by reading the code.",
        "",
        sums,
        "",
        f"With n = {errors} this says that the gate is quiet on sound code. Of the rules that found nothing here it",
        f"says no more than that: {', '.join(silent_rules(results))}.",
        "",
        "| release | version | lines | not analysed | errors and warnings | seconds |",
        "|---|---|---|---|---|---|",
        *(row(result) for result in results),
        "",
    ]
    for title, places in zip(("True", "False", "Not judged"), judged, strict=True):
        if places:
            head += [f"## {title}", "", *(f"- {place}" for place in places), ""]
    return "\n".join(head)


if __name__ == "__main__":
    main()
