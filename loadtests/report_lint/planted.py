"""The lint of reports beside real histories: what people wrote there, and what is made false in it on purpose.

    clone ──┬── its Markdown files and the messages of its commits ──► true: no error may be found
            ├── the same, one hash or path in it changed           ──► false: written by people, one fact mutated
            └── statements made from its history, and their twins  ──► true, and false by one fact

A text counts as true because its project published it; an error in one is shown, to be judged by reading. What may be
mutated is found by patterns of this file and by git, not by the lint, so that a claim which the lint does not
recognise counts as missed. The choice is the same in every run.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter, defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from guardrails.evidence import Severity
from guardrails.reports.lint import lint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")
TEXTS, MESSAGES, STATEMENTS = 20, 30, 4
_HASH = re.compile(r"\b[0-9a-f]{7,40}\b")
_FILE = re.compile(r"(?<![\w./:-])(?:[\w.-]+/)+[\w-]+\.(?:py|rs|md|toml|yml|sh|c)\b(?![/\w])")
_NAMES = re.compile(rb"\bcommit\W+[0-9a-f]{7,40}\b|\breverts? [0-9a-f]{7,40}\b", re.IGNORECASE)
_DEFINED = re.compile(r"^(?:    )?(?:async )?def ([a-z]\w{4,})\(|^\s*(?:pub )?fn ([a-z]\w{4,})\(", re.MULTILINE)


class Pair(NamedTuple):
    """One statement as it is true and as one changed fact makes it false. `kind`: what was changed."""

    kind: str
    true: str
    false: str


class Tally(NamedTuple):
    """What came of one clone."""

    name: str
    commit: str
    texts: int
    statements: int
    accused: list[tuple[str, str, str]]
    found: Counter[str]
    planted: Counter[str]
    missed: list[str]


def measure(clone: Path) -> Tally:
    """Lint the texts of a clone, and what is made false in them."""
    history = Clone(clone)
    accused: list[tuple[str, str, str]] = []
    found: Counter[str] = Counter()
    planted: Counter[str] = Counter()
    missed: list[str] = []
    written = [*history.files(), *history.messages()]
    for name, text in written:
        accused.extend((name, rule, told) for rule, told in errors(text, clone, name))
    made = list(history.statements())
    for pair in made:
        accused.extend((pair.kind, rule, f"{told} in {pair.true!r}") for rule, told in errors(pair.true, clone))
    for pair in [*history.mutated(written), *made]:
        planted[pair.kind] += 1
        before = errors(pair.true, clone)
        if [finding for finding in errors(pair.false, clone) if finding not in before]:
            found[pair.kind] += 1
        else:
            missed.append(f"{pair.kind}: {pair.false[-300:]!r}")
    statements = len({pair.true for pair in made})
    return Tally(
        history.name,
        history.git("rev-parse", "--short=12", "HEAD").strip(),
        len(written),
        statements,
        accused,
        found,
        planted,
        missed,
    )


@lru_cache(maxsize=1000)
def errors(text: str, clone: Path, name: str = "report.md") -> list[tuple[str, str]]:
    """The errors in a text that lies in the clone under this name: rule, and what is said."""
    outcome = lint(text.encode(), clone / name, repository=clone)
    return [(f.rule, f"{f.line} {f.claim} | {f.why}") for f in outcome.findings if f.severity is Severity.ERROR]


class Clone:
    """The texts and the facts of one repository, asked of git alone."""

    def __init__(self, path: Path) -> None:
        self.path = path / ".git"
        self.name = path.name
        self.chance = random.Random(7)
        self.commits = [
            line.split("\0")
            for line in self.git("log", "-z", "--no-merges", "--format=%h%x01%cs%x01%s")
            .replace("\0", "\n")
            .replace("\x01", "\0")
            .splitlines()
            if line.count("\0") == 2
        ]
        self.tree = self.git("ls-tree", "-r", "--name-only", "HEAD").splitlines()

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", "--git-dir", str(self.path), *args], capture_output=True, check=True)
        return done.stdout.decode("utf-8", "replace")

    def files(self) -> list[tuple[str, str]]:
        """Its Markdown: read-mes, changelogs, guides."""
        names = [name for name in self.tree if name.endswith(".md") and "vendor" not in name]
        return [(name, self.git("show", f"HEAD:{name}")) for name in self._some(names, TEXTS)]

    def messages(self) -> list[tuple[str, str]]:
        """Messages that name another commit: the claims about a history that people make most."""
        argv = ["git", "--git-dir", str(self.path), "log", "-z", "--no-merges", "--format=%h%n%B"]
        raw = subprocess.run(argv, capture_output=True, check=True).stdout.split(b"\0")
        naming = [entry.decode("utf-8", "replace") for entry in raw if _NAMES.search(entry)]
        return [(text.split("\n", 1)[0], text.split("\n", 1)[1]) for text in self._some(naming, MESSAGES)]

    def mutated(self, written: list[tuple[str, str]]) -> Iterator[Pair]:
        """One hash, and one path, of each text that has one."""
        for _, text in written:
            for kind, pattern in (("hash, in its own words", _HASH), ("path, in its own words", _FILE)):
                whole = next((m for m in pattern.finditer(text) if self._is_true(kind, m[0])), None)
                if whole is not None:
                    wrong = _other_hash(whole[0]) if kind.startswith("hash") else _other_path(whole[0])
                    # Each time it occurs, as somebody would who had it wrong; a link to it says no more.
                    yield Pair(kind, text, text.replace(whole[0], wrong))

    def _is_true(self, kind: str, name: str) -> bool:
        if kind.startswith("path"):
            return name in self.tree
        argv = ["git", "--git-dir", str(self.path), "cat-file", "-e", f"{name}^{{commit}}"]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def statements(self) -> Iterator[Pair]:
        """Statements as reports have them, true by git, each with its false twin."""
        for sha, date, subject in self._some(self.commits[:-1], STATEMENTS):
            stat = self.git("show", "--shortstat", "-M", "--format=", sha).strip()
            figures = dict.fromkeys(("file", "insertion", "deletion"), 0) | {
                word: int(count) for count, word in re.findall(r"(\d+) (file|insertion|deletion)", stat)
            }
            if not figures["file"] or not figures["insertion"] or "`" in subject or not subject.isascii():
                continue
            other = next(text for _, _, text in self.commits[7:] if text not in {subject, ""} and "|" not in text)
            yield from _of_commit(sha, date, (subject, other), figures, self.chance)
        count = self.chance.randint(3, 6)
        last = [f"- `{sha}` {subject}" for sha, _, subject in self._newest(count)]
        rows = "\n".join(last)
        yield Pair(
            "last N commits",
            f"# Status report\n\n## Last {count} commits\n\n{rows}\n",
            f"# Status report\n\n## Last {count + 2} commits\n\n{rows}\n",
        )
        base = self.git("rev-parse", "--short", "HEAD~20").strip()
        tip = self.git("rev-parse", "--short", "HEAD").strip()
        number = int(self.git("rev-list", "--count", f"{base}..{tip}"))
        for made in (number + 3, number * 2):
            form = f"# Status report\n\nThe period `{base}..{tip}` has {{}} commits.\n"
            yield Pair("number of commits", form.format(number), form.format(made))
        yield from self._of_files()
        yield from _of_sums(self.chance)

    def _newest(self, count: int) -> list[list[str]]:
        out = self.git("log", f"-{count}", "--format=%h%x00%cs%x00%s")
        return [line.split("\0") for line in out.splitlines()]

    def _of_files(self) -> Iterator[Pair]:
        code = [name for name in self.tree if name.endswith((".py", ".rs", ".sh", ".c", ".md"))]
        tip = self.git("rev-parse", "--short", "HEAD").strip()
        for name in self._some(code, 2 * STATEMENTS):
            text = self.git("show", f"HEAD:{name}")
            lines = text.count("\n")
            if lines < 3 or " " in name:
                continue
            for form in ("The loop is in `{name}:{line}` (commit `{tip}`).", "Fixed in `{name}#L{line}`, see `{tip}`."):
                said = [form.format(name=name, tip=tip, line=line) for line in (lines // 2 + 1, lines + 40)]
                yield Pair("line", f"# Status report\n\n{said[0]}\n", f"# Status report\n\n{said[1]}\n")
            wrong = _other_path(name)
            form = "# Fix report\n\n**Commit:** `{tip}`\n\nFiles looked at:\n\n- `{name}`\n"
            yield Pair("path", form.format(tip=tip, name=name), form.format(tip=tip, name=wrong))
            defined = next((a or b for a, b in _DEFINED.findall(text)), "")
            if defined:
                form = "# Fix report\n\nIn `{tip}` the call goes through `{word}()` in `{name}`.\n"
                yield Pair(
                    "function",
                    form.format(tip=tip, word=defined, name=name),
                    form.format(tip=tip, word=f"{defined}_twice", name=name),
                )

    def _some(self, things: list[T], most: int) -> list[T]:
        """At most so many, evenly spread."""
        step = max(1, len(things) // most)
        return things[::step][:most]


def _of_commit(
    sha: str, date: str, subjects: tuple[str, str], figures: dict[str, int], chance: random.Random
) -> Iterator[Pair]:
    subject, other = subjects
    files, more, less = figures["file"], figures["insertion"], figures["deletion"]
    off = chance.randint(1, 9)

    def line(f: int, a: int, d: int) -> str:
        return f"# Session report\n\n**Commit:** `{sha}`\n\n{f} files changed, {a} insertions(+), {d} deletions(-)\n"

    true = line(files, more, less)
    yield Pair("files", true, line(files + off, more, less))
    yield Pair("insertions", true, line(files, more + off, less))
    if less and more != less:
        yield Pair("insertions for deletions", true, line(files, less, more))
        yield Pair(
            "the combined column",
            f"# Session report\n\n- `{sha}` {subject}: +{more} lines\n",
            f"# Session report\n\n- `{sha}` {subject}: +{more + less} lines\n",
        )
    if "|" in subject:
        return
    listed = "# Status report\n\n| Commit | Date | Message |\n|---|---|---|\n| `{}` | {} | {} |\n"
    true = listed.format(sha, date, subject)
    year, rest = date.split("-", 1)
    yield Pair("hash", true, listed.format(_other_hash(sha), date, subject))
    yield Pair("date", true, listed.format(sha, f"{int(year) - 1}-{rest}", subject))
    yield Pair("subject of another commit", true, listed.format(sha, date, other))
    yield Pair("subject of no commit", true, listed.format(sha, date, "Rewrite the scheduler"))


def _of_sums(chance: random.Random) -> Iterator[Pair]:
    """What needs no history: shares and totals."""
    for _ in range(STATEMENTS):
        parts = [chance.randint(5, 90) for _ in range(4)]
        rows = "".join(f"| part {place} | {part} |\n" for place, part in enumerate(parts))
        form = f"# Status report\n\n| Part | Commits |\n|---|---:|\n{rows}| Total | {{}} |\n"
        yield Pair("sum of a table", form.format(sum(parts)), form.format(sum(parts) + chance.randint(1, 9)))
        passed, failed = chance.randint(60, 400), chance.randint(1, 40)
        share = round(100 * passed / (passed + failed))
        form = f"# Status report\n\n{passed} of {passed + failed} tests pass ({{}} %).\n"
        yield Pair("share", form.format(share), form.format(share - 5 if share > 90 else share + 6))


def _other_hash(sha: str) -> str:
    """The same with its digits turned, so that no commit begins so but by chance."""
    turned = sha[0] + sha[1:].translate(str.maketrans("0123456789abcdef", "1032547698badcfe"))
    return turned if re.search(r"\d", turned) else turned[:-1] + "7"


def _other_path(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}_helper{dot}{ending}"


def table(tallies: list[Tally]) -> str:
    """By kind of what was changed, over all clones."""
    planted: Counter[str] = sum((tally.planted for tally in tallies), Counter())
    found: Counter[str] = sum((tally.found for tally in tallies), Counter())
    rows = defaultdict(str, {kind: f"| {kind} | {planted[kind]} | {found[kind]} |" for kind in sorted(planted)})
    return "\n".join(
        [
            "| what was changed | planted | found |",
            "|---|--:|--:|",
            *rows.values(),
            f"| all | {planted.total()} | {found.total()} |",
        ]
    )
