"""What was not run here: files, services and people speak for what they name, and for nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.evidence import Rung
from guardrails.reports.results import Coverage, read_coverage, read_junit
from tests.cli.command import guardrails
from tests.reports.projects import BAD, Project, copied, first
from tests.reports.repositories import facts, git
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guardrails.evidence import EvidenceRecord


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return first(tmp_path_factory.mktemp("adding"))


@pytest.fixture
def project(origin: Path, tmp_path: Path) -> Project:
    return copied(origin, tmp_path)


def head(project: Project) -> str:
    return git(project.top, "rev-parse", "HEAD").decode()


def suite(*cases: str, commit: str = "", **stated: object) -> str:
    named = f'<properties><property name="commit" value="{commit}"/></properties>' if commit else ""
    totals = "".join(f' {name}="{value}"' for name, value in stated.items())
    return f"<testsuites><testsuite{totals}>{named}{''.join(cases)}</testsuite></testsuites>"


CASE, FAILED, SKIPPED = (
    '<testcase classname="t" name="one"/>',
    '<testcase classname="t" name="two"><failure/></testcase>',
    '<testcase classname="t" name="three"><skipped/></testcase>',
)


def added(project: Project, kind: str, *arguments: str, status: int) -> EvidenceRecord:
    done = project.call("add", kind, "--check", "unit", *arguments)
    assert done.exit_code == status, done.output
    return project.records()[-1]


def test_results_speak_for_the_commit_that_they_name(project: Project) -> None:
    project.write("junit.xml", suite(CASE, SKIPPED, commit=head(project), tests=2, failures=0))
    record = added(project, "junit", "junit.xml", status=0)
    assert (record.outcome, record.rung, record.summary) == ("passed", Rung.TESTED, "1 executed, 0 failed, 1 skipped")
    assert project.judge("The retry is tested", "unit").verdict == "SUPPORTED"
    project.write("src/app.py", "X = 3\n")
    assert project.judge("The retry is tested", "unit").verdict == "STALE"


@pytest.mark.parametrize(
    ("text", "status", "doubt"),
    [
        (suite(CASE), 3, "does not say on which commit"),
        (suite(CASE, commit="d" * 40), 3, "no commit of this repository"),
        (suite(SKIPPED, commit="HEAD"), 3, "no test was executed (1 skipped)"),
        (suite(CASE, commit="HEAD", tests=2), 3, "state 2 cases with 0 bad and hold 1 with 0"),
        (suite(CASE, commit="HEAD", tests=1, failures=1), 3, "state 1 cases with 1 bad and hold 1 with 0"),
        (suite(CASE, CASE, commit="HEAD"), 3, "1 cases were run again"),
        (suite(CASE[:-2] + "><flakyFailure/></testcase>", commit="HEAD"), 3, "1 cases were run again"),
        (suite(CASE, FAILED, commit="HEAD"), 1, ""),
        (suite(CASE, commit="HEAD", tests=1), 0, ""),
    ],
)
def test_results_are_doubted_for_what_they_say_themselves(project: Project, text: str, status: int, doubt: str) -> None:
    project.write("junit.xml", text.replace("HEAD", head(project)))
    record = added(project, "junit", "junit.xml", status=status)
    assert doubt in " ".join(record.doubts)
    assert bool(record.doubts) == bool(doubt)


def test_of_two_files_of_one_run_one_was_edited(project: Project) -> None:
    stamp = "2026-05-01T12:00:00.123456+00:00"
    project.write("junit.xml", suite(CASE, FAILED, commit=head(project), timestamp=stamp))
    added(project, "junit", "junit.xml", status=1)
    project.write("junit.xml", suite(CASE, CASE.replace("one", "two"), commit=head(project), timestamp=stamp))
    record = added(project, "junit", "junit.xml", status=3)
    assert "one of both was edited" in record.doubts[0]
    assert project.judge("The retry is tested", "unit").verdict == "CONTRADICTED"


@pytest.mark.parametrize("kind", ["junit", "coverage"])
@pytest.mark.parametrize(
    "text",
    ["", "<html/>", "no xml", '<!DOCTYPE x [<!ENTITY a "ha">]><testsuite><testcase name="&a;"/></testsuite>'],
)
def test_what_is_no_such_file_is_refused_and_leaves_no_record(project: Project, kind: str, text: str) -> None:
    project.write("x.xml", text)
    done = project.call("add", kind, "--check", "unit", "x.xml")
    assert (done.exit_code, project.records()) == (2, [])


def test_results_of_node_are_read(project: Project) -> None:
    node = need("node", "JUnit of another producer")
    project.write(
        "app.test.js",
        'const test = require("node:test");\ntest("one", () => {});\ntest("two", { skip: true }, () => {});\n'
        'test("three", () => { throw new Error("no") });\n',
    )
    project.commit()
    command = (node, "--test", "--test-reporter=junit", "--test-reporter-destination=junit.xml", "app.test.js")
    assert project.run(*command, options=("--junit", "junit.xml")) == 1
    (record,) = project.records()
    assert (record.outcome, record.summary) == ("failed", "2 executed, 1 failed, 1 skipped, ended with 1")
    assert record.failing == ("test::three",)
    project.write("app.test.js", (project.top / "app.test.js").read_text().replace("throw", "return"))
    assert project.run(*command, options=("--junit", "junit.xml")) == 0
    assert project.judge("All 2 tests pass", "unit").verdict == "SUPPORTED"


NESTED = """<testsuites tests="3" failures="1"><testsuite tests="2" failures="0" timestamp="2026-05-01T12:00:01">
<testsuite tests="1"><testcase name="a"/></testsuite><testcase name="b"/></testsuite>
<testsuite tests="1" failures="1" timestamp="2026-05-01T12:00:00"><testcase name="c"><failure/></testcase></testsuite>
</testsuites>"""


def test_totals_of_suites_within_suites_are_counted_once() -> None:
    cases = read_junit(NESTED.encode())
    assert (cases.tests, cases.bad, cases.stated, cases.begun) == (3, 1, (3, 1), "2026-05-01T12:00:00")
    without_root = NESTED.replace('<testsuites tests="3" failures="1">', "<testsuites>")
    assert read_junit(without_root.encode()).stated == (3, 1)


def test_coverage_has_its_files_and_its_moment() -> None:
    xml = (
        '<coverage lines-covered="3" lines-valid="4" timestamp="1780000000123"><class filename="src/a.py"/></coverage>'
    )
    assert read_coverage(xml.encode()) == Coverage(3, 4, ("src/a.py",), 1780000000.123)
    text = json.dumps({"totals": {"covered_lines": 3, "num_statements": 4}, "files": {"src/a.py": {}}})
    assert read_coverage(text.encode()) == Coverage(3, 4, ("src/a.py",))


def test_coverage_measured_in_a_run_belongs_to_its_code(project: Project) -> None:
    need("coverage", "coverage measured in a run")
    # With the line that imports it the one test executes all of it.
    project.commit(
        tests__test_app="import sys\nsys.path.insert(0, 'src')\nimport app\n\n\ndef test_one():\n    app.add(1, 2)\n"
    )
    line = (
        f"set -e; {sys.executable} -m coverage run --source=src -m pytest -q -p no:cacheprovider --junitxml=junit.xml"
    )
    script = f"{line}; {sys.executable} -m coverage xml -q -o coverage.xml"
    options = ("--junit", "junit.xml", "--coverage", "coverage.xml")
    assert project.run("sh", "-c", script, options=options) == 0
    (record,) = project.records()
    assert (record.doubts, record.facts["coverage"]) == ((), {"percent": 66.67, "covered": 2, "valid": 3})
    assert project.judge("Coverage is 66 %", "unit").verdict == "SUPPORTED"
    assert project.judge("Coverage is 70 %", "unit").verdict == "CONTRADICTED"


def test_the_gate_speaks_for_the_commit_it_ran_on(project: Project) -> None:
    # The gate makes its folder; what git does not ignore of it would be a change.
    assert guardrails("preflight", cwd=project.top).returncode == 0
    record = added(project, "preflight", status=0)
    assert (record.outcome, record.rung) == ("passed", Rung.STATIC)
    assert project.judge("The gate passes", "unit").verdict == "SUPPORTED"
    project.commit(src__app="X = 2\n")
    assert "the gate ran on" in added(project, "preflight", status=3).doubts[0]


def test_without_a_gate_there_is_nothing_to_add(project: Project) -> None:
    done = project.call("add", "preflight", "--check", "gate")
    assert (done.exit_code, "run `guardrails preflight` first" in done.output) == (2, True)


def test_a_person_is_named_with_the_moment(project: Project) -> None:
    added(project, "manual", "--by", "ann", "--at", "2026-05-01T12:00:00Z", "logged in with a passkey", status=0)
    found = project.judge("Login works", "unit")
    assert (found.verdict, found.rung, found.overclaims) == ("MANUAL", Rung.ASSERTED, False)
    assert (found.said["who"], found.said["at"]) == ("ann", "2026-05-01T12:00:00.000Z")
    project.commit(src__app="X = 2\n")
    assert project.judge("Login works", "unit").verdict == "STALE"
    done = project.call("add", "manual", "--check", "unit", "--by", "ann", "--at", "2999-01-01T12:00:00Z", "saw it")
    assert (done.exit_code, "yet to come" in done.output) == (2, True)


def serve(answers: list[tuple[int, bytes]]) -> tuple[HTTPServer, str]:
    """Gives these answers, in turn; a status of 0 hangs up."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.pop(0)
            if not status:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/version"


@pytest.mark.parametrize(
    ("answers", "status", "verdict"),
    [
        (lambda commit: [(200, commit)], 0, "SUPPORTED"),
        (lambda commit: [(0, b""), (200, b'{"sha": "%s"}' % commit[:12])], 0, "SUPPORTED"),
        (lambda commit: [(200, b"d" * 40)], 3, "UNSUPPORTED"),
        (lambda commit: [(503, commit)], 1, "CONTRADICTED"),
        (lambda commit: [(302, commit)], 1, "CONTRADICTED"),
        (lambda commit: [(0, b"")] * 3, 1, "CONTRADICTED"),
    ],
    ids=["named", "named at the second attempt", "another", "error", "elsewhere", "no answer"],
)
def test_a_service_proves_a_deployment_by_naming_the_commit(
    project: Project, answers: Callable[[bytes], list[tuple[int, bytes]]], status: int, verdict: str
) -> None:
    planned = answers(head(project).encode())
    server, url = serve(planned)
    try:
        record = added(project, "http", "--target", "production", url, status=status)
    finally:
        server.shutdown()
        server.server_close()
    assert planned == []
    assert record.facts["target"] == "production"
    assert project.judge("Deployed to production", "unit").verdict == verdict


def test_known_failures_are_told_from_new_ones(project: Project) -> None:
    project.commit(tests__test_bad=BAD)
    project.tests()
    (record,) = project.records()
    project.write("known.txt", "# the ones we live with\n" + project.call("show", record.id, "--failing").output)
    project.commit()
    known = ("--known", "known.txt")
    project.tests(options=known)
    found = project.judge("No regressions", "unit")
    assert (found.verdict, found.said["new"], found.said["known"]) == ("SUPPORTED", 0, 1)
    assert project.judge("All tests pass", "unit").verdict == "CONTRADICTED"
    project.commit(tests__test_new=BAD)
    project.tests(options=known)
    found = project.judge("No regressions", "unit")
    assert (found.verdict, found.said["new"], found.said["known"]) == ("CONTRADICTED", 1, 1)
    project.tests("-k", "one", options=known)
    assert project.judge("No regressions", "unit").verdict == "CONTRADICTED"


def test_ready_for_production_needs_all_of_it(project: Project) -> None:
    def lacking() -> str:
        return str(project.judge("Ready for production").said.get("lacking"))

    assert lacking() == "tests (E3), none left out, the gate, a run in the target (E4)"
    project.tests()
    assert lacking() == "the gate, a run in the target (E4)"
    assert guardrails("preflight", cwd=project.top).returncode == 0
    project.call("add", "preflight", "--check", "gate")
    assert lacking() == "a run in the target (E4)"
    project.tests(check="smoke", options=("--target", "production"))
    assert project.judge("Ready for production").verdict == "SUPPORTED"
    project.run("false", check="lint")
    assert project.judge("Ready for production").verdict == "CONTRADICTED"


def test_a_status_report_has_the_tests_of_a_recorded_run_where_no_file_names_a_commit(project: Project) -> None:
    def of_tests(**given: Any) -> tuple[str, str]:
        told = facts(project.top, **given)
        source = next((row["source"] for row in told["evidence"] if row["id"] == "T"), "")
        return next(one["verdict"] for one in told["claims"] if one["claim"] == "tests"), source

    assert of_tests() == ("UNSUPPORTED", "")
    project.tests()
    (record,) = project.records()
    assert of_tests() == ("SUPPORTED", f".guardrails/evidence/{record.id}.json")
    # A file that somebody names is what he asks about.
    assert of_tests(junit=project.top / "junit.xml") == ("UNSUPPORTED", "junit.xml")
    project.commit(src__app="def add(a, b):\n    return b\n")
    assert of_tests()[0] == "STALE"
    project.commit(tests__test_bad=BAD)
    project.tests()
    (project.top / "junit.xml").unlink()
    assert of_tests()[0] == "CONTRADICTED"


def test_records_of_two_branches_merge_without_a_conflict(project: Project) -> None:
    for branch in ("one", "two"):
        git(project.top, "checkout", "-q", "-b", branch, "main")
        project.run("true", check=branch)
        git(project.top, "add", "-A")
        git(project.top, "commit", "-q", "-m", branch)
    git(project.top, "merge", "-q", "one")
    assert [len(project.records(check)) for check in ("one", "two")] == [1, 1]


def test_a_record_outlives_being_committed(project: Project) -> None:
    project.tests()
    git(project.top, "add", "-A")
    git(project.top, "commit", "-q", "-m", "records")
    assert project.judge("The retry is tested", "unit").verdict == "SUPPORTED"


@pytest.mark.parametrize("text", ["{}", "no json", '{"record_version": 2}', "[" * 100_000])
def test_what_is_no_record_is_named_and_counts_for_nothing(project: Project, text: str) -> None:
    project.run("true")
    (file,) = (project.top / ".guardrails/evidence").glob("*.json")
    file.with_name("01J00000000000000000000000.json").write_text(text)
    done = project.call("list", "--format", "json")
    said = json.loads(done.stdout)
    assert (done.exit_code, len(said["records"])) == (3, 1)
    assert [row["file"] for row in said["damaged"]] == ["01J00000000000000000000000.json"]


def test_a_claim_is_kept_judged_and_reported(project: Project) -> None:
    project.run(sys.executable, "-m", "py_compile", "src/app.py", check="syntax")
    done = project.call("claim", "The retry is tested", "--on", "syntax")
    assert done.exit_code == 0
    assert "say instead: The retry is [byte-compiled only]" in done.output
    assert project.call("claims", "--strict").exit_code == 1
    said = json.loads(project.call("claims", "--format", "json").stdout)
    (claim,) = said["claims"]
    assert (claim["verdict"], claim["rung"], claim["why"]) == (
        "UNSUPPORTED",
        "E2",
        "syntax: byte-compiled; its words need E3",
    )
    page = guardrails("report", "status", "--no-cache", cwd=project.top)
    assert "| The retry is \\[byte-compiled only\\] | **no evidence** | E2 |" in page.stdout
    assert guardrails("report", "status", "--no-cache", "--strict", cwd=project.top).returncode == 1
    html = guardrails("report", "status", "--no-cache", "--format", "html", "--lang", "uk", cwd=project.top).stdout
    assert "The retry is [byte-compiled only]" in html


def test_nothing_of_the_command_line_is_heavy() -> None:
    code = (
        "import sys, guardrails.cli.evidence; print([n for n in ('httpx', 'jinja2', 'pydantic') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
