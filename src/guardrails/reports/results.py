"""What test runners and coverage tools wrote, parsed with suspicion: JUnit XML, Cobertura XML, coverage's JSON.

The cases are counted themselves; totals that a file states beside them are only compared. Entities are refused:
a few lines of them can stand for gigabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 2**26
# Names under which a suite may say what it ran on.
COMMIT_PROPERTIES = frozenset({"commit", "git.commit", "git_commit", "vcs.revision", "GITHUB_SHA", "CI_COMMIT_SHA"})
_COUNTED = {"failure": "failures", "error": "errors", "skipped": "skipped"}
# How runners say that a test passed only when it was run again.
_AGAIN = frozenset({"flakyFailure", "flakyError", "rerunFailure", "rerunError"})


class Cases(NamedTuple):
    """The test cases of one file.

    `tests` counts skipped ones too. `commit`: which one the file names, "mixed" where suites differ. `stated`: how
    many cases and how many bad ones it says it holds; None when it does not say. `begun`: the earliest time stamp of
    a suite, as written. `again`: how often a case stands there again, as one that was repeated until it passed does.
    """

    tests: int
    failures: int
    errors: int
    skipped: int
    commit: str
    failing: tuple[str, ...]
    stated: tuple[int, int] | None
    begun: str
    again: int
    passed: frozenset[str]

    @property
    def executed(self) -> int:
        return self.tests - self.skipped

    @property
    def bad(self) -> int:
        return self.failures + self.errors


def read_junit(data: bytes) -> Cases:
    """Parse JUnit XML, as pytest, node, surefire, go-junit-report and others write it. Raises ValueError."""
    reader = _Junit()
    parse_xml(data, reader.begin, reader.end)
    return reader.cases()


class Coverage(NamedTuple):
    """Lines covered of lines there are; `files`: the source files named; `made`: seconds since 1970, if it says so."""

    covered: int
    valid: int
    files: tuple[str, ...] = ()
    made: float | None = None

    @property
    def percent(self) -> float:
        return 100 * self.covered / self.valid if self.valid else 0.0


def read_coverage(data: bytes) -> Coverage:
    """Parse a Cobertura file or coverage's JSON. Raises ValueError, LookupError or TypeError for what is neither."""
    if data.lstrip()[:1] == b"{":
        import json

        whole = json.loads(data)
        totals = whole["totals"]
        found = Coverage(int(totals["covered_lines"]), int(totals["num_statements"]), tuple(whole.get("files", ())))
    else:
        found = _cobertura(data)
    if not 0 <= found.covered <= found.valid:
        raise ValueError(f"{found.covered} of {found.valid} lines covered")
    return found


def parse_xml(data: bytes, begin: Callable[[str, dict[str, str]], None], end: Callable[[str], None]) -> None:
    """Walk through XML without entities. Raises ValueError."""
    from xml.parsers import expat

    def refuse(*_: object) -> None:
        raise ValueError("it declares XML entities, which no such file needs")

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat's signature
    except expat.ExpatError as exc:
        raise ValueError(f"not XML: {exc}") from exc


class _Junit:
    def __init__(self) -> None:
        self.counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        self.depth = self.again = 0
        self.root = self.commit = self.begun = self.outcome = ""
        self.name = ""
        self.failing: list[str] = []
        self.passed: list[str] = []
        self.totals: list[tuple[int, int]] = []
        self.root_states = False

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag
        if tag in {"testsuites", "testsuite"}:
            self._suite(attributes)
            self.depth += 1
        elif tag == "testcase":
            self.name = f"{attributes.get('classname', '')}::{attributes.get('name', '')}".removeprefix("::")
            self.outcome = "passed"
        elif self.outcome and tag in _COUNTED and self.outcome != "error":
            self.outcome = tag
        elif self.outcome and tag in _AGAIN:
            self.again += 1
        elif tag == "property" and attributes.get("name") in COMMIT_PROPERTIES and not self.outcome:
            value = attributes.get("value", "")
            # Suites of several commits in one file prove none of them.
            self.commit = value if self.commit in {"", value} else "mixed"

    def _suite(self, attributes: dict[str, str]) -> None:
        self.begun = min(filter(None, (self.begun, attributes.get("timestamp", ""))), default="")
        numbers = [attributes.get(name, "0") for name in ("tests", "failures", "errors")]
        if "tests" not in attributes or not all(number.isdecimal() and len(number) < 10 for number in numbers):
            return
        # The outermost that state totals: those of the suites within are in theirs.
        if self.depth == 0 or (self.depth == 1 and not self.root_states):
            self.root_states = self.depth == 0
            tests, failures, errors = map(int, numbers)
            self.totals.append((tests, failures + errors))

    def end(self, tag: str) -> None:
        if tag in {"testsuites", "testsuite"}:
            self.depth -= 1
        if tag != "testcase" or not self.outcome:
            return
        self.counts["tests"] += 1
        if self.outcome in _COUNTED:
            self.counts[_COUNTED[self.outcome]] += 1
        if self.outcome in {"failure", "error"}:
            self.failing.append(self.name)
        elif self.outcome == "passed":
            self.passed.append(self.name)
        self.outcome = ""

    def cases(self) -> Cases:
        if self.root not in {"testsuites", "testsuite"}:
            raise ValueError(f"<{self.root}> is no JUnit file")
        passed = frozenset(self.passed)
        return Cases(
            **self.counts,
            commit=self.commit,
            failing=tuple(self.failing),
            stated=(sum(n for n, _ in self.totals), sum(bad for _, bad in self.totals)) if self.totals else None,
            begun=self.begun,
            again=self.again + len(self.passed) - len(passed),
            passed=passed,
        )


def _cobertura(data: bytes) -> Coverage:
    root: dict[str, str] = {}
    files: list[str] = []

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if not root:
            root.update(attributes, tag=tag)
        elif tag == "class" and "filename" in attributes:
            files.append(attributes["filename"])

    parse_xml(data, begin, lambda _tag: None)
    if root["tag"] != "coverage":
        raise ValueError(f"<{root['tag']}> is no coverage file")
    made = root.get("timestamp", "")
    # Cobertura itself counts milliseconds.
    when = int(made) / (1000 if len(made) > 11 else 1) if made.isdecimal() and len(made) < 16 else None
    return Coverage(int(root["lines-covered"]), int(root["lines-valid"]), tuple(files), when)
