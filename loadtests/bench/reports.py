"""`guardrails report status` over a history of 13,000 commits, against git itself and against git-cliff."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.bench.harness import Figure, NotRun, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMITS, NEW = 13_000, 20
# A file has as many lines, and a commit as many files, as in the history of a web framework or a task queue.
FOLDERS, FILES, LINES = 40, 20, 300
EVERYTHING = "1990-01-01"
CACHE = ".guardrails/cache/commits"
KEPT = ".guardrails/kept"
LAST = f"change {COMMITS - 1} in area"

EVIDENCE = (sys.executable, "-m", "guardrails", "evidence", "add")
REPORT = (sys.executable, "-m", "guardrails", "report", "status", "--since", EVERYTHING)
CLIFF = shutil.which("git-cliff", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


def long_history(folder: Path) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*argv: str, data: bytes | None = None) -> None:
        subprocess.run(["git", *argv], cwd=folder, env=environment, input=data, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("fast-import", "--quiet", data=b"".join(_stream()))
    # As a clone has it; and the working tree, which a report looks at.
    git("-c", "pack.threads=1", "gc", "-q")
    git("reset", "-q", "--hard")
    # What a report kept that was made when the last commits were not there yet.
    before = folder.parent / "before"
    if before.exists():
        shutil.rmtree(before)
    git("clone", "-q", "--no-hardlinks", ".", str(before))
    subprocess.run(["git", "reset", "-q", "--hard", f"HEAD~{NEW}"], cwd=before, env=environment, check=True)
    subprocess.run(REPORT, cwd=before, check=True, stdout=subprocess.DEVNULL)
    if not (before / CACHE).exists():
        raise NotRun("the first report kept nothing")
    (folder / CACHE).parent.mkdir(parents=True)
    shutil.copy(before / CACHE, folder / KEPT)
    files = f"one to five of {FOLDERS * FILES} files in each"
    return f"The long history: {COMMITS:,} commits by `git fast-import`, {files}, a tag every 50."


def _stream() -> Iterator[bytes]:
    """Commits that are the same in every run: numbers stand in for chance."""
    texts: dict[str, list[str]] = {}
    for number in range(COMMITS):
        message = f"{('fix', 'feat', 'docs')[number % 3]}: {LAST.replace(str(COMMITS - 1), str(number))} {number % 7}\n"
        data = message.encode()
        who = f"A <a{number % 50}@b.c> {1_500_000_000 + 3600 * number} +0000"
        yield f"commit refs/heads/main\ncommitter {who}\n".encode()
        yield b"data %d\n%s" % (len(data), data)
        for step in range(1 + number % 5):
            place = (number * 7919 + step * 104_729) % (FOLDERS * FILES)
            name = f"src/area{place % FOLDERS}/part{place % 5}/file{place // FOLDERS}.py"
            lines = texts.setdefault(name, [f"line {row} of {name}" for row in range(LINES)])
            for row in range(number % 11):
                lines[(number * 31 + row * 17) % LINES] = f"line changed by {number}, {row}"
            body = "\n".join([*lines, ""]).encode()
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(body), body)
        if number % 50 == 0:
            yield b"reset refs/tags/v1.%d.0\nfrom refs/heads/main\n" % (number // 50)


def forget(folder: Path) -> None:
    (folder / CACHE).unlink(missing_ok=True)


def remember(folder: Path) -> None:
    shutil.copy(folder / KEPT, folder / CACHE)


# What an LLM backend's log holds, and how grep is told to look for it.
RARE = {
    "is not JSON serializable": "UUID('x') is not JSON serializable",
    "timed out after [0-9.]+ s": "TimeoutError: read timed out after 134.2 s",
    "pool exhausted: [0-9]+ of": "pool exhausted: 20 of 20 in use",
    "resumed at chunk": "resumed at chunk 120 of 180",
    "attempt [0-9]+$": "dead letter stored: job 7 attempt 3",
    "connection reset": "connection reset by peer (104)",
}
LOG_MIB = 256


def long_log(folder: Path) -> str:
    """A log of LOG_MIB, in which a line in 400 is one of the six."""
    block = bytearray()
    number = 0
    while len(block) < 2**24:
        stamp = f"2026-05-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        block += f"{stamp} INFO worker-{number % 8} request {number * 7919:016x} served in {number % 900} ms\n".encode()
        if number % 400 == 0:
            block += f"{stamp} ERROR {list(RARE.values())[number // 400 % len(RARE)]}\n".encode()
        number += 1
    with (folder / "app.log").open("wb") as log:
        for _ in range(LOG_MIB // 16):
            log.write(block)
    tables = (f"[[pattern]]\nname = '{regex}'\nregex = '{regex}'\nexpect = 'some'\n" for regex in RARE)
    (folder / "patterns.toml").write_text("\n".join(tables))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".gitignore").write_text("*.log\n")
    return f"The long log: {LOG_MIB} MiB, six kinds of lines among others, one line in 400."


COLD = Process(name="cold report", argv=REPORT, project=long_history, before=forget, shows=LAST)

FIGURES = [
    Figure(
        id="reports-cold",
        what=f"`guardrails report status` of {COMMITS:,} commits with their lines, nothing kept",
        target=1.3,
        ours=COLD,
        baseline=Process(name="git log --numstat", argv=("git", "log", "--numstat"), project=long_history, shows=LAST),
        rounds=9,
    ),
    Figure(
        id="reports-cliff",
        what="the same",
        target=0.4,
        ours=COLD,
        baseline=Process(
            name="git-cliff",
            argv=(CLIFF or "git-cliff",),
            distribution="git-cliff",
            project=long_history,
            shows=f"hange {COMMITS - 1} in area",
        ),
        rounds=3,
        known=0.43,
        why="counting lines is git's own work and 0.36 of what git-cliff takes, which counts none",
    ),
    Figure(
        id="reports-warm",
        what=f"the same with all but {NEW} commits kept",
        target=0.10,
        ours=Process(name="warm report", argv=REPORT, project=long_history, before=remember, shows=LAST),
        baseline=COLD,
        rounds=9,
        known=0.15,
        why="a third is git, a quarter is Python and its modules starting, the rest folds 13,000 commits",
    ),
    Figure(
        id="evidence-log",
        what=f"`guardrails evidence add logcount` of six patterns in a log of {LOG_MIB} MiB",
        target=1.5,
        ours=Process(
            name="count a log",
            argv=(*EVIDENCE, "logcount", "--check", "log", "--patterns", "patterns.toml", "app.log"),
            project=long_log,
            shows="all as expected",
        ),
        baseline=Process(
            name="grep -c, six times",
            argv=("sh", "-c", "; ".join(f"grep -cE '{regex}' app.log" for regex in RARE)),
            project=long_log,
        ),
        rounds=7,
    ),
]
