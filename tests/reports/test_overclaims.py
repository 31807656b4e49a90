"""False claims, each with evidence that looks like it: none is SUPPORTED. And honest ones: none is flagged."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import guardrails
from tests.reports.projects import BAD, GOOD, PYTEST, Project, copied, first

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FALSE: dict[str, Callable[[Project], tuple[str, ...]]] = {}
TESTED, ALL = "The retry is tested", "All tests pass"
CASE = '<testcase classname="t" name="{}"/>'
SUITE = '<testsuite tests="{}" failures="0" errors="0" timestamp="{}">{}</testsuite>'
PATTERNS = '[[pattern]]\nname = "errors"\nliteral = "ERROR"\nexpect = "zero"\n'
NAMES_COMMIT = """
import subprocess, pytest


@pytest.fixture(scope="session", autouse=True)
def name_it(record_testsuite_property):
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    record_testsuite_property("commit", head)
"""


def false(build: Callable[[Project], tuple[str, ...]]) -> Callable[[Project], tuple[str, ...]]:
    """One way to claim too much: builds the evidence and returns the claim and what it leans on."""
    FALSE[build.__name__] = build
    return build


def junit(project: Project, text: str, name: str = "junit.xml") -> None:
    project.write(name, text)


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def pytest_line(*arguments: str) -> str:
    return " ".join([*PYTEST, "--junitxml=junit.xml", *arguments])


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return first(tmp_path_factory.mktemp("overclaims"))


@pytest.fixture
def project(origin: Path, tmp_path: Path) -> Project:
    return copied(origin, tmp_path)


# Nothing ran.


@false
def collect_only(project: Project) -> tuple[str, ...]:
    project.tests("--collect-only")
    return TESTED, "unit"


@false
def collect_only_without_results(project: Project) -> tuple[str, ...]:
    project.run(*PYTEST, "--co")
    return TESTED, "unit"


@false
def the_version_of_the_runner(project: Project) -> tuple[str, ...]:
    project.run(*PYTEST, "--version")
    return TESTED, "unit"


@false
def no_tests_at_all(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_app="")
    project.tests()
    return TESTED, "unit"


@false
def no_tests_and_the_status_hidden(project: Project) -> tuple[str, ...]:
    project.run(*shell(f"{pytest_line('-k', 'nothing')}; true"), options=("--junit", "junit.xml"))
    return TESTED, "unit"


@false
def all_skipped(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_app="import pytest\n\n\n@pytest.mark.skip\ndef test_one(): ...\n")
    project.tests()
    return TESTED, "unit"


@false
def expected_failures_only(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_app="import pytest\n\n\n@pytest.mark.xfail\ndef test_one():\n    assert 0\n")
    project.tests()
    return TESTED, "unit"


@false
def all_deselected(project: Project) -> tuple[str, ...]:
    project.tests("-k", "nothing")
    return TESTED, "unit"


@false
def a_command_that_tests_nothing(project: Project) -> tuple[str, ...]:
    project.python("print('2 passed in 0.01s')")
    return TESTED, "unit"


@false
def compiled_only(project: Project) -> tuple[str, ...]:
    project.run(sys.executable, "-m", "py_compile", "src/app.py")
    return TESTED, "unit"


@false
def nothing_is_cited(project: Project) -> tuple[str, ...]:
    project.tests()
    return (TESTED,)


@false
def a_record_that_is_not_there(project: Project) -> tuple[str, ...]:
    project.tests()
    return TESTED, "integration"


@false
def a_person_said_so(project: Project) -> tuple[str, ...]:
    project.call("add", "manual", "--check", "unit", "--by", "ann", "all tests passed for me")
    return ALL, "unit"


# Another state of the code.


@false
def changed_since(project: Project) -> tuple[str, ...]:
    project.tests()
    project.write("src/app.py", "def add(a, b):\n    return a - b\n")
    return TESTED, "unit"


@false
def watched_path_changed_since(project: Project) -> tuple[str, ...]:
    project.tests(options=("--watch", "src"))
    project.write("src/app.py", "def add(a, b):\n    return a - b\n")
    return TESTED, "unit"


@false
def an_untracked_file_came(project: Project) -> tuple[str, ...]:
    project.tests()
    project.write("tests/conftest.py", "raise SystemExit(1)\n")
    return TESTED, "unit"


@false
def changes_that_were_never_committed(project: Project) -> tuple[str, ...]:
    project.write("src/app.py", "def add(a, b):\n    return b + a\n")
    project.tests()
    project.write("src/app.py", "def add(a, b):\n    return a + b\n")
    return TESTED, "unit"


@false
def another_commit(project: Project) -> tuple[str, ...]:
    project.tests()
    project.commit(src__app="def add(a, b):\n    return a - b\n")
    return TESTED, "unit"


@false
def changed_while_the_tests_ran(project: Project) -> tuple[str, ...]:
    change = "import pathlib\n\n\ndef test_one():\n    pathlib.Path('src/app.py').write_text('X = 2')\n"
    project.commit(tests__test_app=change)
    project.tests()
    project.write("src/app.py", "def add(a, b):\n    return a + b\n")
    return TESTED, "unit"


@false
def a_source_file_named_as_results(project: Project) -> tuple[str, ...]:
    project.python("pass", check="other", options=("--junit", "src/app.py"))
    project.tests()
    project.write("src/app.py", "def add(a, b):\n    return a - b\n")
    return TESTED, "unit"


# A failure, and something that was to hide it.


@false
def failed(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.tests()
    return TESTED, "unit"


@false
def failed_and_compiled_after_it(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.tests()
    project.run(sys.executable, "-m", "compileall", "-q", "src")
    return TESTED, "unit"


@false
def failed_and_a_part_passed_after_it(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.tests()
    project.tests("-k", "one")
    return TESTED, "unit"


@false
def failed_and_one_file_passed_after_a_change(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.tests()
    project.commit(src__app="def add(a, b):\n    return b + a\n")
    project.tests("tests/test_app.py::test_one")
    return TESTED, "unit"


@false
def failed_and_the_test_skipped_after_it(project: Project) -> tuple[str, ...]:
    project.write(
        "tests/test_bad.py", "import os, pytest\n\n\n@pytest.mark.skipif(os.path.exists('x.log'), reason='r')\n" + BAD
    )
    project.commit()
    project.tests()
    project.write("x.log", "")
    project.tests()
    return TESTED, "unit"


@false
def failed_in_another_check(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.tests()
    project.tests("tests/test_app.py", check="smoke")
    return ALL, "smoke"


@false
def the_status_hidden_by_the_shell(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.run(*shell(f"{pytest_line()} || true"), options=("--junit", "junit.xml"))
    return TESTED, "unit"


@false
def repeated_until_it_passed(project: Project) -> tuple[str, ...]:
    seen = "    seen = os.path.exists('x.log')\n    open('x.log', 'w').close()\n    assert seen\n"
    flaky = f"import os\n\n\ndef test_bad():\n{seen}"
    project.commit(tests__test_bad=flaky)
    project.run(*shell(f"{pytest_line()} || {pytest_line('tests/test_bad.py')}"), options=("--junit", "junit.xml"))
    return TESTED, "unit"


@false
def repeated_within_the_runner(project: Project) -> tuple[str, ...]:
    # The form in which pytest-rerunfailures leaves it: the case twice, and a total of one.
    stamp = "time.strftime('%Y-%m-%dT%H:%M:%S+00:00', time.gmtime())"
    suite = SUITE.format(1, "{}", CASE.format("a") * 2)
    project.python(
        f"import time\nopen('junit.xml', 'w').write({suite!r}.format({stamp}))", options=("--junit", "junit.xml")
    )
    return TESTED, "unit"


@false
def left_out_by_an_option(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.tests("--deselect", "tests/test_bad.py::test_bad")
    return ALL, "unit"


@false
def left_out_by_the_settings(project: Project) -> tuple[str, ...]:
    project.write("pytest.ini", "[pytest]\naddopts = -k 'not bad'\n")
    project.commit(tests__test_bad=BAD)
    project.tests()
    return ALL, "unit"


@false
def collection_crashed(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad="import nowhere\n")
    project.tests()
    return TESTED, "unit"


@false
def ended_in_the_middle_with_0(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad="import os\n\n\ndef test_bad():\n    os._exit(0)\n")
    project.tests()
    return TESTED, "unit"


@false
def killed(project: Project) -> tuple[str, ...]:
    # In a process of its own, for it ends as its command does.
    done = guardrails("evidence", "run", "--check", "unit", "--", *shell("kill -KILL $$"), cwd=project.top)
    assert done.returncode == -9
    return TESTED, "unit"


# Results of something else.


@false
def results_from_before(project: Project) -> tuple[str, ...]:
    project.run(*PYTEST, "--junitxml=junit.xml", check="other")
    project.python("pass", options=("--junit", "junit.xml"))
    return TESTED, "unit"


@false
def results_from_before_touched(project: Project) -> tuple[str, ...]:
    project.run(*PYTEST, "--junitxml=junit.xml", check="other")
    project.python("import os; os.utime('junit.xml')", options=("--junit", "junit.xml"))
    return TESTED, "unit"


@false
def results_of_another_project_copied(project: Project) -> tuple[str, ...]:
    junit(project, SUITE.format(1, "2026-01-01T00:00:00+00:00", CASE.format("a")), "theirs.xml")
    project.python("import shutil; shutil.copy('theirs.xml', 'junit.xml')", options=("--junit", "junit.xml"))
    return TESTED, "unit"


@false
def results_of_tomorrow(project: Project) -> tuple[str, ...]:
    suite = SUITE.format(1, "2099-01-01T00:00:00", CASE.format("a"))
    project.python(f"open('junit.xml', 'w').write({suite!r})", options=("--junit", "junit.xml"))
    return TESTED, "unit"


@false
def results_that_name_no_commit(project: Project) -> tuple[str, ...]:
    junit(project, SUITE.format(1, "", CASE.format("a")))
    project.call("add", "junit", "--check", "unit", "junit.xml")
    return TESTED, "unit"


@false
def results_of_a_commit_of_elsewhere(project: Project) -> tuple[str, ...]:
    named = f'<properties><property name="commit" value="{"d" * 40}"/></properties>'
    junit(project, SUITE.format(1, "", named + CASE.format("a")))
    project.call("add", "junit", "--check", "unit", "junit.xml")
    return TESTED, "unit"


@false
def results_edited(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD, conftest=NAMES_COMMIT)
    project.tests()
    text = (project.top / "junit.xml").read_text()
    junit(project, re.sub(r"<failure.*</failure>", "", text, flags=re.DOTALL))
    project.call("add", "junit", "--check", "unit", "junit.xml")
    return TESTED, "unit"


@false
def results_edited_with_their_totals(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD, conftest=NAMES_COMMIT)
    project.tests()
    text = re.sub(r"<failure.*</failure>", "", (project.top / "junit.xml").read_text(), flags=re.DOTALL)
    junit(project, text.replace('failures="1"', 'failures="0"'))
    project.call("add", "junit", "--check", "unit", "junit.xml")
    return TESTED, "unit"


@false
def cases_doubled(project: Project) -> tuple[str, ...]:
    double = "import re, sys, subprocess\nsubprocess.run(sys.argv[1:])\ntext = open('junit.xml').read()\n"
    double += "open('junit.xml', 'w').write(re.sub('(<testcase[^>]*/>)', r'\\1\\1', text))"
    project.run(sys.executable, "-c", double, *PYTEST, "--junitxml=junit.xml")
    return "4 tests pass", "unit"


@false
def more_tests_than_there_are(project: Project) -> tuple[str, ...]:
    project.tests()
    return "120 tests pass", "unit"


@false
def a_record_put_right_by_hand(project: Project) -> tuple[str, ...]:
    project.commit(tests__test_bad=BAD)
    project.tests()
    (file,) = (project.top / ".guardrails/evidence").glob("*.json")
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "outcome": "passed", "failing": []}))
    return TESTED, "unit"


@false
def a_record_of_the_future(project: Project) -> tuple[str, ...]:
    from guardrails.reports.ledger import stamp, write_record

    project.tests()
    (record,) = project.records()
    (project.top / f".guardrails/evidence/{record.id}.json").unlink()
    write_record(project.top, record._replace(started=stamp(time.time() + 86_400)))
    return TESTED, "unit"


# Coverage.


@false
def coverage_of_no_commit(project: Project) -> tuple[str, ...]:
    project.write("coverage.xml", '<coverage lines-covered="95" lines-valid="100"/>')
    project.tests()
    project.call("add", "coverage", "--check", "unit", "coverage.xml")
    return "Coverage is 95 %", "unit"


@false
def coverage_of_another_project(project: Project) -> tuple[str, ...]:
    text = '<coverage lines-covered="95" lines-valid="100"><class filename="theirs/x.py"/></coverage>'
    project.run(
        *shell(f"set -e; {pytest_line()}; echo '{text}' > coverage.xml"),
        options=("--junit", "junit.xml", "--coverage", "coverage.xml"),
    )
    return "Coverage is 95 %", "unit"


@false
def coverage_that_is_less(project: Project) -> tuple[str, ...]:
    text = '<coverage lines-covered="50" lines-valid="100"><class filename="src/app.py"/></coverage>'
    project.run(
        *shell(f"set -e; {pytest_line()}; echo '{text}' > coverage.xml"),
        options=("--junit", "junit.xml", "--coverage", "coverage.xml"),
    )
    assert project.judge("Coverage is 50 %", "unit").verdict == "SUPPORTED"
    return "Coverage is 90 %", "unit"


# Before and after.


def timed(project: Project, seconds: str, *, code: str = "") -> None:
    project.python(f"print('took {seconds} s'){code}", check="speed", options=("--measure", r"took ([\d.]+) s"))


def bench(project: Project, seconds: str) -> None:
    project.write("took.log", seconds)
    project.python(
        "print('took', open('took.log').read(), 's')", check="speed", options=("--measure", r"took ([\d.]+)")
    )


@false
def nothing_before(project: Project) -> tuple[str, ...]:
    bench(project, "1.0")
    return "The export is faster", "speed"


@false
def measured_in_another_way(project: Project) -> tuple[str, ...]:
    timed(project, "9")
    project.commit(src__app="X = 2\n")
    timed(project, "2", code=";0")
    return "The export is faster", "speed"


@false
def not_faster(project: Project) -> tuple[str, ...]:
    bench(project, "2.0")
    project.commit(src__app="X = 2\n")
    bench(project, "3.0")
    return "The export is faster", "speed"


@false
def less_than_claimed(project: Project) -> tuple[str, ...]:
    bench(project, "10")
    project.commit(src__app="X = 2\n")
    bench(project, "9")
    return "The export is 40 % faster", "speed"


def counted(project: Project, lines: list[str]) -> None:
    project.write("patterns.toml", PATTERNS)
    project.write(
        "app.log", "".join(f"2026-05-01T12:{n // 60:02}:{n % 60:02}Z {line}\n" for n, line in enumerate(lines))
    )
    project.call("add", "logcount", "--check", "errors", "--patterns", "patterns.toml", "app.log")


@false
def another_window(project: Project) -> tuple[str, ...]:
    counted(project, ["ERROR"] * 600)
    project.commit(src__app="X = 2\n")
    counted(project, ["fine"] * 10)
    return "Errors eliminated", "errors"


@false
def a_window_in_which_nothing_was_seen(project: Project) -> tuple[str, ...]:
    counted(project, ["ERROR"] * 600)
    project.commit(src__app="X = 2\n")
    counted(project, [])
    return "Errors eliminated", "errors"


@false
def fewer_errors_but_some(project: Project) -> tuple[str, ...]:
    counted(project, ["ERROR"] * 600)
    project.commit(src__app="X = 2\n")
    counted(project, ["fine"] * 599 + ["ERROR"])
    return "Errors eliminated", "errors"


# Deployed, ready.


@false
def only_tested_and_not_deployed(project: Project) -> tuple[str, ...]:
    project.tests()
    return "Deployed to production", "unit"


@false
def another_commit_is_deployed(project: Project) -> tuple[str, ...]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"commit": "' + b"d" * 40 + b'"}')

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/version"
        assert project.call("add", "http", "--check", "smoke", "--target", "production", url).exit_code == 3
    return "Deployed to production", "smoke"


@false
def ready_by_tests_alone(project: Project) -> tuple[str, ...]:
    project.tests()
    return "The service is production ready", "unit"


@pytest.mark.parametrize("name", FALSE)
def test_a_false_claim_is_not_supported(name: str, project: Project) -> None:
    text, *on = FALSE[name](project)
    found = project.judge(text, *on)
    assert found.verdict in {"UNSUPPORTED", "STALE", "CONTRADICTED", "MANUAL"}, found
    assert found.overclaims or found.verdict == "MANUAL"


def test_there_are_enough_false_claims() -> None:
    assert len(FALSE) >= 40


HONEST = (
    "3 of 12 tests fail",
    "The export is not tested yet",
    "Untested on Windows",
    "We did not measure whether it is faster",
    "The migration fails on PostgreSQL",
    "It should be faster, but nobody measured it",
    "Will be deployed tomorrow",
    "The rollout was reverted",
    "Not production ready",
    "We verified that the fix does not work",
    "Tests were skipped: no database here",
    "The retry needs to be tested",
    "Errors still occur after a restart",
    "The cause is unknown",
    "Only partly verified",
    "It could not be deployed",
    "Flaky: passes only on Linux",
    "No test covers the timeout",
    "Coverage is missing for the worker",
    "Whether all tests pass is unknown",
    "Експорт ще не протестовано",
)


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("on", [(), ("unit",)])
def test_an_honest_sentence_is_not_flagged(text: str, on: tuple[str, ...], honest: Project) -> None:
    found = honest.judge(text, *on)
    assert (found.verdict, found.overclaims, found.text) == ("NO_CLAIM", False, text)


@pytest.fixture(scope="module")
def honest(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Its tests fail, and that is recorded."""
    project = copied(origin, tmp_path_factory.mktemp("honest"))
    project.commit(tests__test_bad=BAD)
    project.tests()
    return project


def mended(project: Project) -> None:
    project.commit(tests__test_bad=BAD)
    project.tests()
    project.commit(tests__test_bad=GOOD)
    project.tests()


TRUE: dict[str, tuple[Callable[[Project], object], tuple[str, ...]]] = {
    "tested": (lambda p: p.tests(), (TESTED, "unit")),
    "all of them": (lambda p: p.tests(), ("All 2 tests pass", "unit")),
    "tested, then committed": (
        lambda p: (p.write("src/app.py", "X = 2\n"), p.tests(), p.commit()),
        (TESTED, "unit"),
    ),
    "a part, and nothing said of the rest": (lambda p: p.tests("-k", "one"), ("Case one is tested", "unit")),
    "something else changed": (
        lambda p: (p.tests(options=("--watch", "src/app.py", "--watch", "tests")), p.commit(src__other="X = 2\n")),
        (TESTED, "unit"),
    ),
    "a failure that was mended": (mended, (TESTED, "unit")),
    "compiled": (
        lambda p: p.run(sys.executable, "-m", "py_compile", "src/app.py", check="syntax"),
        ("Syntax ok", "syntax"),
    ),
    "faster": (
        lambda p: (bench(p, "3.0"), p.commit(src__app="X = 2\n"), bench(p, "1.5")),
        ("The export is 50 % faster", "speed"),
    ),
    "errors gone": (
        lambda p: (counted(p, ["ERROR"] * 99), p.commit(src__app="X = 2\n"), counted(p, ["fine"] * 99)),
        ("Errors eliminated", "errors"),
    ),
}


@pytest.mark.parametrize("name", TRUE)
def test_a_true_claim_is_supported(name: str, project: Project) -> None:
    build, (text, *on) = TRUE[name]
    build(project)
    found = project.judge(text, *on)
    assert (found.verdict, found.text) == ("SUPPORTED", text), found
