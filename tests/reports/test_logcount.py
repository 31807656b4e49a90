"""Lines of a log, counted: as grep counts them, in bounded memory, through rotation and truncation."""

from __future__ import annotations

import random
import re
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from guardrails.errors import ConfigError
from guardrails.reports.logcount import BLOCK, LONGEST_LINE, Counter, read_patterns
from guardrails.reports.watching import watch_log
from tests.reports.projects import copied, first
from tests.support import need

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = """
[[pattern]]
name = "lost"
literal = "is not JSON serializable"
expect = "zero"

[[pattern]]
name = "slow"
regex = "took \\\\d{4,}ms$"
expect = 2

[[pattern]]
name = "resumed"
regex = "^.*(resumed|continued) at"
expect = "some"
"""


@pytest.fixture
def patterns(tmp_path: Path) -> Path:
    file = tmp_path / "patterns.toml"
    file.write_text(PATTERNS)
    return file


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def counted(patterns: Path, text: bytes, size: int = BLOCK) -> list[int]:
    counter = Counter(read_patterns(patterns))
    for start in range(0, len(text), size):
        counter.add(text[start : start + size])
    counter.finish()
    return counter.counts


def test_it_counts_what_grep_counts(patterns: Path, tmp_path: Path) -> None:
    grep = need("grep", "the same counts as grep's")
    rng = random.Random(1)
    words = [
        "UUID is not JSON serializable",
        "took 12345ms",
        "took 99ms",
        "resumed at 7",
        "is not JSON",
        "",
        "x",
        "took 1234ms ",
    ]
    text = "\n".join(" ".join(rng.choices(words, k=rng.randrange(4))) for _ in range(20_000)).encode()
    log = tmp_path / "app.log"
    log.write_bytes(text)
    shown = [["-F", "is not JSON serializable"], ["-E", "took [0-9]{4,}ms$"], ["-E", "(resumed|continued) at"]]
    theirs = [int(subprocess.run([grep, "-c", *p, str(log)], capture_output=True, check=False).stdout) for p in shown]
    assert min(theirs) > 100
    assert [counted(patterns, text, size) for size in (97, 4096, BLOCK)] == [theirs] * 3


@pytest.mark.parametrize(
    "regex", [r"a\sb", r"a[^x]b", "a+b", r"x?a.b", r"(?i)A.B", "a{2}b", "ab*c|d", r"a\.b", "^a b$", "b$", r"\bab\b"]
)
def test_a_pattern_matches_within_one_line(tmp_path: Path, regex: str) -> None:
    rng = random.Random(2)
    lines = ["".join(rng.choices("abcdx .A", k=rng.randrange(6))) for _ in range(3000)]
    file = tmp_path / "p.toml"
    file.write_text(f"[[pattern]]\nname = 'p'\nregex = '{regex}'\nexpect = 'zero'\n")
    expected = sum(re.search(regex, line) is not None for line in lines)
    assert expected > 0
    assert counted(file, "\n".join(lines).encode(), 100) == [expected]


def test_a_line_without_end_takes_no_more_memory(patterns: Path) -> None:
    counter = Counter(read_patterns(patterns))
    for _ in range(40):
        counter.add(b"x" * BLOCK)
        assert len(counter._rest) <= LONGEST_LINE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write 1 to 100 tables"),
        ("x = 1", "write 1 to 100 tables"),
        ("[[pattern]]\nname = 'a'\nexpect = 'zero'", "either literal or regex"),
        ("[[pattern]]\nname = 'a'\nliteral = 'x'\nregex = 'x'\nexpect = 'zero'", "either literal or regex"),
        ("[[pattern]]\nname = 'a'\nliteral = 'x'\nexpect = 'none'", "expect is 'none'"),
        ("[[pattern]]\nname = 'a'\nliteral = 'x'\nexpect = -1", "expect is -1"),
        ("[[pattern]]\nname = 'a'\nregex = '('\nexpect = 'zero'", "no regular expression"),
        ("[[pattern]]\nname = 'a'\nregex = 'x*'\nexpect = 'zero'", "matches every line"),
        ("[[pattern]]\nname = 'a'\nliterl = 'x'\nexpect = 'zero'", "no such key: literl"),
        ("[[pattern]]\nname = ' '\nliteral = 'x'\nexpect = 'zero'", "name is missing"),
        ("[[pattern]]\nname = 'a'\nliteral = 'x'\nexpect = 0\n" * 2, "two patterns bear one name"),
        ("[[pattern]", "Expected"),
    ],
)
def test_a_mistake_in_the_patterns_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "p.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_patterns(file)


def test_the_window_is_read_from_the_lines(patterns: Path) -> None:
    counter = Counter(read_patterns(patterns))
    counter.add(b"starting\n2026-05-01T12:00:00.5Z a\nmore\n2026-05-01 12:10:00,500+00:00 b\n  at x\n")
    counter.finish()
    assert (counter.size, counter.window) == (78, 600.0)


def test_a_log_is_watched_through_rotation_and_truncation(patterns: Path, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("UUID is not JSON serializable\n" * 5)  # from before
    counter = Counter(read_patterns(patterns))
    steps = [
        (append, log, "1 is not JSON serializable\n2 is not JSON ser"),
        (append, log, "ializable\n"),
        (log.rename, tmp_path / "app.log.1"),
        (append, log, "3 is not JSON serializable\n"),
        (log.write_text, ""),
        (append, log, "4 is not JSON serializable\nresumed at 1"),
        (log.unlink,),
    ]

    def step(_: float) -> None:
        if steps:
            act, *arguments = steps.pop(0)
            act(*arguments)
        time.sleep(0.01)

    went = watch_log(log, counter, 0.6, sleep=step)
    assert steps == []
    assert (counter.counts, went.rotated, went.truncated) == ([4, 0, 1], 1, 1)
    assert went.duration >= 0.6


def test_watching_is_evidence(tmp_path: Path, patterns: Path) -> None:
    project = copied(first(tmp_path), tmp_path)
    log = tmp_path / "app.log"
    log.write_text("old\n")

    def watch(line: str) -> tuple[int, str]:
        done = threading.Event()

        def write() -> None:
            while not done.wait(0.02):
                append(log, line)

        writer = threading.Thread(target=write)
        writer.start()
        result = project.call("watch", "--check", "errors", "--for", "0.5s", "--patterns", str(patterns), str(log))
        done.set()
        writer.join()
        return result.exit_code, result.output

    status, said = watch("resumed at 3\nUUID is not JSON serializable\n")
    assert (status, " 1 of 3 patterns not as expected: lost" in said) == (1, True)
    (record,) = project.records("errors")
    assert record.measure is not None
    assert record.measure["n"] > record.measure["value"] > 0
    assert record.measure["window"] == pytest.approx(0.5, abs=5)
    assert watch("resumed at 3\n")[0] == 0
    status, said = watch("")
    assert (status, "no line was seen" in said) == (3, True)
