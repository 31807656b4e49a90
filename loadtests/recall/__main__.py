"""How many real start-up failures the gate finds: `python -m loadtests.recall`.

Unpacks the wheels of the broken and of the fixed release of each entry in `failures.toml` and runs the gate over both.
Nothing of them is imported or built. *Found*: a finding of the expected family, error or warning, at the file and line
of the entry in the broken release; a circular import has two ends, and its finding may stand at the other one if it
names the file of the entry. *Gone*: in the fixed release no such finding speaks of that name in that file. Where an
entry fails under one version of Python only, both trees get a `.python-version` that says so, as a deployment would.

The list was committed before the first rule existed. Only entries that expect a static rule of today count for it;
`--live` measures those that only an installed environment shows (live.py).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import click

from loadtests.recall import live

HERE = Path(__file__).parent
# What the `rule` of an entry expects -> the families that may find it.
FAMILIES = {"GR-IMPORT static": ("GR-IMPORT",), "GR-SHADOW": ("GR-SHADOW",)}
CYCLE = "GR-IMPORT-004"
TARGET = 0.7
# The very first run of the rules over the list, before any miss was read: found and gone, at error level among them.
FIRST_RUN = (16, 13, 23)
# The misses of that run, and what each was.
FIRST_MISSES = {
    "neighpy-version": "a version module was taken for one that a build writes, in a wheel too",
    "claude-mpm-src": "an import through the checkout's src/ was taken for that of a library",
    "flare-capa-freeze-cycle": "found, but at the other end of the circle; since then both ends count here",
    "clawmetry-fstring": "the grammar was newer than the lower bound only, which was left in silence and now warns",
    "orpheus-cpp-notrequired": "found, but at the first line of the import instead of the name's own",
    "synapsekit-supabase": "a module that keeps what its `__getattr__` served counted as one that may have any name",
    "spiceypy-all": "the same",
}


class Result(NamedTuple):
    """One entry and what the gate said of its two releases. `at`: the finding at the place, if there is one."""

    entry: dict[str, Any]
    at: dict[str, Any] | None
    gone: bool
    said: str

    @property
    def passed(self) -> bool:
        return self.at is not None and self.gone


@click.command(epilog="Example: python -m loadtests.recall --only alns")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/recall"), show_default=True)
@click.option("--only", default="", help="Only entries whose id holds this text.")
@click.option("--live", "alive", is_flag=True, help="The entries that need an environment: installs and imports them.")
@click.option("--write", type=click.Path(path_type=Path), help="Write the table to this Markdown file.")
def main(folder: Path, only: str, alive: bool, write: Path | None) -> None:  # noqa: FBT001
    """Measure how many of the listed failures the gate finds, and whether the findings go with the fix."""
    entries = tomllib.loads((HERE / "failures.toml").read_text("utf-8"))["failure"]
    wanted = [entry for entry in entries if only in entry["id"]]
    if alive:
        text, status = measured_alive(wanted, folder)
    else:
        results = []
        for entry in filter(expected, wanted):
            results.append(judge(entry, folder))
            click.echo(row(results[-1]))
        text, status = report(results, entries), exit_status(results)
    click.echo("\n" + text)
    if write is not None:
        write.write_text(text, encoding="utf-8")
    sys.exit(status)


def measured_alive(entries: list[dict[str, Any]], folder: Path) -> tuple[str, int]:
    """The page and the exit status of the entries that live checks are to find."""
    results = []
    for entry in entries:
        if entry["rule"] in live.EXPECTED:
            results.append(live.judge(entry, folder / "live"))
            click.echo(live.row(results[-1]))
    return live.report(results), live.exit_status(results)


def expected(entry: dict[str, Any]) -> tuple[str, ...]:
    """The families that may find this entry; none where no static rule of today is to."""
    return FAMILIES.get(entry["rule"], ())


def judge(entry: dict[str, Any], folder: Path) -> Result:
    """Run the gate over both releases and compare."""
    broken = gate(unpacked(entry, "broken", folder), expected(entry))
    fixed = gate(unpacked(entry, "fixed", folder), expected(entry))
    return compare(entry, broken, fixed)


def compare(entry: dict[str, Any], broken: list[dict[str, Any]], fixed: list[dict[str, Any]]) -> Result:
    """Whether the entry is found in what was said of the broken release, and gone from that of the fixed one."""
    here = [f for f in broken if is_at(f, entry)]
    at = next(iter(sorted(here, key=lambda f: f["severity"] != "error")), None)
    left = [f for f in fixed if at and f["rule"] == at["rule"] and f["path"] == at["path"] and names(f, entry, at)]
    return Result(entry, at, not left, said(broken))


def is_at(finding: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether a finding stands at the place of the entry, or at the other end of the same circle."""
    if finding["rule"] == CYCLE and f"{entry['file']} is still being imported" in finding["message"]:
        return True
    return bool(finding["path"] == entry["file"] and finding["line"] == entry["line"])


def names(finding: dict[str, Any], entry: dict[str, Any], at: dict[str, Any]) -> bool:
    """Whether a finding of the fixed release is still the one of the broken release."""
    if finding["message"] == at["message"] or entry["kind"] == "newer-python":
        return True
    return entry["name"].lstrip(".") in finding["message"]


def said(findings: list[dict[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for finding in findings:
        key = f"{finding['rule']} {finding['severity']}"
        counts[key] = counts.get(key, 0) + 1
    return ", ".join(f"{count} × {key}" for key, count in sorted(counts.items())) or "nothing"


def unpacked(entry: dict[str, Any], side: str, folder: Path) -> Path:
    """The release's files, downloaded once, under the Python of the entry."""
    release = f"{entry['package']}=={entry[side]}"
    home = folder / f"{entry['id']}-{side}"
    if not home.is_dir():
        wheels = folder / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "download", "-qqq", "--no-deps", "--only-binary=:all:"]
        command += ["--ignore-requires-python", "--dest", str(wheels), release]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            wheel.extractall(home)
        shutil.rmtree(wheels)
        if entry["python"] != "any":
            (home / ".python-version").write_text(f"{entry['python']}\n", encoding="utf-8")
    return home


def gate(home: Path, families: tuple[str, ...]) -> list[dict[str, Any]]:
    """The errors and warnings of these families. A crash of the gate ends the measurement."""
    command = [sys.executable, "-m", "guardrails", "preflight", "--static", "--no-record", "--format", "json"]
    for family in families:
        command += ["--select", family]
    done = subprocess.run([*command, str(home)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise click.ClickException(f"{home}: the gate ended with status {done.returncode}: {done.stderr}")
    return [f for f in json.loads(done.stdout)["findings"] if f["severity"] != "info"]


def exit_status(results: list[Result]) -> int:
    """0 at the target or above, 1 below it."""
    return int(sum(result.passed for result in results) < TARGET * len(results))


def row(result: Result) -> str:
    """One line of the table."""
    entry = result.entry
    level = f"{result.at['rule']} {result.at['severity']}" if result.at else "**no**"
    gone = ("yes" if result.gone else "**no**") if result.at else "–"
    release = f"{entry['package']} {entry['broken']} → {entry['fixed']}"
    return f"| {entry['id']} | {release} | {entry['kind']} | {level} | {gone} | {result.said} |"


def report(results: list[Result], entries: list[dict[str, Any]]) -> str:
    """The Markdown page."""
    passed = [result for result in results if result.passed]
    errors = sum(result.at is not None and result.at["severity"] == "error" for result in passed)
    first, first_errors, first_of = FIRST_RUN
    text = [
        "# Recall on released start-up failures",
        "",
        "Measured by `python -m loadtests.recall --write docs/recall.md`. Each failure was released and later fixed;",
        "the list, loadtests/recall/failures.toml, was committed before the first of these rules existed. The wheels",
        "are unpacked and never imported. *Found*: an error or a warning at the place of the entry. *Gone*: not there",
        "in the fixed release.",
        "",
        f"**{len(passed)} of {len(results)}** entries that expect a static rule are found and gone with the fix,",
        f"{errors} of them at error level (target: {TARGET:.0%}). **The first run, before any miss was read, had",
        f"{first} of {first_of}**, {first_errors} at error level. What was read then became code that looks at shapes",
        "and knows no package, but the first figure is the one to expect of code that nobody here has seen.",
        "",
        f"Of all {len(entries)} entries of the list that is {len(passed)}. Those that expect a live import or a check",
        "of what is installed are measured in [recall-live.md](recall-live.md); no rule of today looks for the others.",
        "",
        "| kind | found and gone | n |",
        "|---|---|---|",
        *by_kind(results),
        "",
        "| not measured, because it expects | entries |",
        "|---|---|",
        *not_measured(entries),
        "",
        "| entry | release | kind | found as | gone | all that was said of the broken release |",
        "|---|---|---|---|---|---|",
        *(row(result) for result in results),
        "",
        "## Misses of the first run",
        "",
        *(f"- {name}: {reason}." for name, reason in FIRST_MISSES.items()),
        "",
        "## Misses of today",
        "",
        *([f"- {result.entry['id']}: {result.entry['what']}" for result in results if not result.passed] or ["None."]),
        "",
    ]
    return "\n".join(text)


def by_kind(results: list[Result]) -> list[str]:
    """The sums of each kind."""
    kinds = dict.fromkeys(result.entry["kind"] for result in results)
    of = {kind: [result.passed for result in results if result.entry["kind"] == kind] for kind in kinds}
    return [f"| {kind} | {sum(passed)} | {len(passed)} |" for kind, passed in of.items()]


def not_measured(entries: list[dict[str, Any]]) -> list[str]:
    """How many entries expect something else than a static rule of today."""
    counts: dict[str, int] = {}
    for entry in entries:
        if not expected(entry) and entry["rule"] not in live.EXPECTED:
            what = entry["rule"].partition(":")[0]
            counts[what] = counts.get(what, 0) + 1
    return [f"| {what} | {count} |" for what, count in sorted(counts.items())]


if __name__ == "__main__":
    main()
