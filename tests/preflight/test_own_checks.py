"""Checks that a project wrote: what they answer, what they do to others (nothing), and what they leave (nothing)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from guardrails.errors import ConfigError
from guardrails.preflight import own_checks
from tests.faulty_server import faulty_server
from tests.preflight.cases import write_files
from tests.preflight.owned import FILES, alive, gone, owned, reasons, source, statuses
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from guardrails.preflight.own_checks import OwnChecks

EVERY_KIND = """
@check("good")
def good(ctx):
    print("noise on stdout")
    os.write(2, b"noise " * 20_000)
    return ok("fine", latency=2)

@check("coroutine")
async def coroutine(ctx):
    return ok()

@check("failed", severity="warning")
def failed(ctx):
    '''Users wait.

    More about it.
    '''
    return fail("7 of 9", fix="mend it", verify="make proof")

@check("fixless")
def fixless(ctx): return fail("7 of 9", why="It hurts.")

@check("skipped")
def skipped(ctx): return skip("not here")

@check("needs.failed", needs=["failed"])
def needs_failed(ctx): return ok()

@check("needs.skipped", needs=["skipped"])
def needs_skipped(ctx): return ok()

@check("needs.good", needs="good")
def needs_good(ctx): return ok()

@check("garbage")
def garbage(ctx): return True

@check("raises")
def raises(ctx): return os.environ["NO_SUCH_NAME"]

@check("exits")
def exits(ctx): sys.exit(0)

@check("vanishes")
def vanishes(ctx): os._exit(0)

@check("crashes")
def crashes(ctx): os.kill(os.getpid(), signal.SIGSEGV)

@check("forks")
def forks(ctx):
    os.fork()
    return ok()

@check("closes")
def closes(ctx):
    os.closerange(0, 256)
    return ok()

@check("floods")
def floods(ctx): return fail("x" * 5_000_000, fix="y" * 5_000_000)

@check("interrupts")
def interrupts(ctx): raise KeyboardInterrupt

@check("hangs", timeout=0.2)
def hangs(ctx):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> OwnChecks:
    return owned(tmp_path_factory.mktemp("kinds"), EVERY_KIND)


def test_each_check_gets_the_status_that_it_earned(every_kind: OwnChecks) -> None:
    assert statuses(every_kind) == {
        "closes": "error",
        "coroutine": "passed",
        "crashes": "error",
        "exits": "error",
        "failed": "failed",
        "fixless": "failed",
        "floods": "failed",
        "forks": "passed",
        "garbage": "error",
        "good": "passed",
        "hangs": "error",
        "interrupts": "error",
        "needs.failed": "skipped",
        "needs.good": "passed",
        "needs.skipped": "skipped",
        "raises": "error",
        "skipped": "skipped",
        "vanishes": "error",
    }


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("good", "fine; latency=2"),
        ("coroutine", None),
        ("skipped", "not here"),
        ("needs.failed", "because failed failed"),
        ("needs.skipped", "because skipped was skipped"),
        ("garbage", "it returned True, which is no answer: return ok(), fail(…) or skip(…)"),
        ("raises", "it raised KeyError: 'NO_SUCH_NAME' (line 41)"),
        ("exits", "it ended its process (SystemExit: 0): return ok(), fail(…) or skip(…)"),
        ("vanishes", "its process ended without an answer: exit status 0"),
        ("crashes", "its process ended without an answer: signal 11 (Segmentation fault)"),
        ("interrupts", "it raised KeyboardInterrupt (line 66)"),
        ("hangs", "it did not end within 0.2 s and was killed"),
    ],
)
def test_the_reason_says_what_happened(every_kind: OwnChecks, check: str, reason: str | None) -> None:
    assert reasons(every_kind)[check] == reason


def test_a_failure_is_a_finding_at_the_check_with_all_that_a_finding_needs(every_kind: OwnChecks) -> None:
    finding = next(f for f in every_kind.findings if f.message.startswith("failed:"))
    assert finding.place == "checks/c0.py:14"
    assert finding.severity == "warning"
    assert finding.message == "failed: 7 of 9"
    assert (finding.why, finding.fix, finding.verify) == ("Users wait.", "mend it", "make proof")


def test_a_failure_without_a_fix_says_so_and_names_the_command_that_runs_it_again(every_kind: OwnChecks) -> None:
    finding = next(f for f in every_kind.findings if f.message.startswith("fixless:"))
    assert finding.fix == "The check names no fix: add `fix=` to its `fail(…)`."
    assert (finding.why, finding.verify) == ("It hurts.", "guardrails preflight --select fixless")


def test_a_flood_of_words_is_cut(every_kind: OwnChecks) -> None:
    finding = next(f for f in every_kind.findings if f.message.startswith("floods:"))
    assert (len(finding.message), len(finding.fix)) == (len("floods: ") + 1000, 1000)


def test_only_checks_whose_failure_is_no_error_are_optional(every_kind: OwnChecks) -> None:
    assert every_kind.optional == {"failed"}


PROBES = """
for number in range(10):
    @check(f"sync.{number}", timeout=30)
    def sync(ctx): return ok(status=ctx.http.get(ctx.environ["PROBED"]).status_code)

    @check(f"async.{number}", timeout=30)
    async def coroutine(ctx): return ok(status=(await ctx.ahttp.get(ctx.environ["PROBED"])).status_code)
"""


@pytest.mark.slow  # twenty processes with an HTTP client each
def test_twenty_probes_are_under_way_at_one_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import threading

    reached = threading.Barrier(2)
    waiting: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        waiting.append(writer)
        # Nobody is answered before all have asked: one after the other, none would ever pass.
        if len(waiting) == 20:
            for each in waiting:
                each.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await each.drain()
                each.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        monkeypatch.setenv("PROBED", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        reached.wait()
        await over.wait()
        server.close()

    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        reached.wait(10)
        own = owned(tmp_path, PROBES)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
    assert set(statuses(own).values()) == {"passed"}
    assert len(own.results) == 20


@pytest.mark.slow  # an HTTP client is loaded
def test_what_the_http_client_raises_is_a_failure_and_not_a_crash(tmp_path: Path) -> None:
    own = owned(
        tmp_path,
        """
        @check("refused")
        async def refused(ctx): await ctx.ahttp.get("http://127.0.0.1:9/health")

        @check("status")
        def status(ctx): ctx.http.get("http://127.0.0.1:9/health").raise_for_status()
        """,
    )
    assert statuses(own) == {"refused": "failed", "status": "failed"}
    assert "GET http://127.0.0.1:9/health gave ConnectError" in own.findings[0].message
    assert own.findings[0].fix == "Start what it asks, or correct the address."


@pytest.mark.slow  # a time-out of most of a second
def test_the_client_gives_up_before_the_check_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty_server() as server:
        monkeypatch.setenv("PROBED", f"{server.url}/never")
        own = owned(
            tmp_path,
            """
            @check("slow", timeout=1)
            def slow(ctx): return ok(ctx.http.get(ctx.environ["PROBED"]).text)
            """,
        )
    assert statuses(own) == {"slow": "failed"}
    assert "ReadTimeout" in (reasons(own)["slow"] or "")


@pytest.mark.slow  # pauses between attempts
def test_a_check_is_repeated_while_it_may_and_says_how_often(tmp_path: Path) -> None:
    own = owned(
        tmp_path,
        """
        def count(ctx, name):
            with open(ctx.project / name, "a") as file:
                file.write("x")
            return os.path.getsize(ctx.project / name)

        @check("third", retry_for=30)
        def third(ctx): return ok() if count(ctx, "third") == 3 else fail("not yet")

        @check("crash", retry_for=30)
        def crash(ctx): return ok() if count(ctx, "crash") == 2 else os._exit(1)

        @check("never", retry_for=0.5)
        def never(ctx): return fail("down")

        @check("once")
        def once(ctx):
            count(ctx, "once")
            return fail("down")

        @check("skip", retry_for=30)
        def skipped(ctx): return skip("not here")
        """,
    )
    assert statuses(own) == {
        "crash": "passed",
        "never": "failed",
        "once": "failed",
        "skip": "skipped",
        "third": "passed",
    }
    assert "down (tried" in (reasons(own)["never"] or "")
    assert reasons(own)["once"] == "down"
    assert (tmp_path / "once").read_text() == "x"


@pytest.mark.slow  # two runs
def test_waiting_repeats_every_check_but_not_when_the_gate_has_failed_already(tmp_path: Path) -> None:
    text = """
    @check("second")
    def second(ctx):
        with open(ctx.project / "times", "a") as file:
            file.write("x")
        return ok() if os.path.getsize(ctx.project / "times") == 2 else fail("not yet")
    """
    assert statuses(owned(tmp_path, text, wait=30.0)) == {"second": "passed"}
    (tmp_path / "times").unlink()
    hopeless = own_checks.OwnChecks(wait=30.0)
    hopeless.run(tmp_path, [FILES], hopeless=True)
    assert statuses(hopeless) == {"second": "failed"}


@pytest.mark.slow  # a deadline of 1.5 s
def test_the_deadline_of_all_ends_what_is_left_and_keeps_what_was_said(tmp_path: Path) -> None:
    own = owned(
        tmp_path,
        """
        @check("quick")
        def quick(ctx): return ok()

        @check("slow", timeout=600)
        def slow(ctx): time.sleep(600)

        @check("patient", retry_for=600)
        def patient(ctx): return fail("down")

        @check("behind", needs=["slow"])
        def behind(ctx): return ok()
        """,
        deadline=1.5,
    )
    assert statuses(own) == {"behind": "error", "patient": "failed", "quick": "passed", "slow": "error"}
    assert reasons(own)["slow"] == "the deadline of 1.5 s for all checks came first"


def test_secrets_of_the_environment_leave_no_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_TOKEN", "correct-horse-battery")
    monkeypatch.setenv("DATABASE_URL", "postgres://app:s3cretpass@db/orders")
    own = owned(
        tmp_path,
        """
        @check("fails")
        def fails(ctx): return fail("said correct-horse-battery", fix="use s3cretpass", why="correct-horse-battery")

        @check("raises")
        def raises(ctx): raise RuntimeError(ctx.environ["BILLING_TOKEN"] + "x" * 2000)

        @check("passes")
        def passes(ctx): return ok("s3cretpass")

        @check("cut")
        def cut(ctx): return fail("x" * 990 + "correct-horse-battery")
        """,
    )
    said = repr((own.results, own.findings))
    assert "correct-ho" not in said
    assert "s3cretpass" not in said
    assert "said [redacted]" in said


BAD_FILES = {
    "raises": ("raise RuntimeError('at import')", "cannot be imported: RuntimeError: at import"),
    "syntax": ("def (:", "cannot be imported: SyntaxError"),
    "exits": ("sys.exit(0)", "cannot be imported: SystemExit: 0"),
    "vanishes": ("os._exit(0)", "its import ended the process, or did not end within 15 s: it ended with status 0"),
    "crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", "its import ended the process, or did not end within 15 s"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_cannot_be_imported_is_an_error_and_the_others_still_run(tmp_path: Path, kind: str) -> None:
    text, reason = BAD_FILES[kind]
    good = "@check('good')\ndef good(ctx): return ok()\n\n@check('more', needs=['lost'])\ndef more(ctx): return ok()\n"
    own = owned(tmp_path, text, good)
    assert statuses(own) == {"checks/c0.py": "error", "good": "passed", "more": "skipped"}
    assert (reasons(own)["checks/c0.py"] or "").startswith(reason)
    assert reasons(own)["more"] == "because lost, which it needs, could not be loaded"


@pytest.mark.slow  # a limit of half a second, and two hosts
def test_a_file_whose_import_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_checks, "LOAD_LIMIT", 0.5)
    own = owned(
        tmp_path,
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        "@check('good')\ndef good(ctx): return ok()",
    )
    assert statuses(own) == {"checks/c0.py": "error", "good": "passed"}
    # It was ended by the alarm, not by the limit of everything.
    assert "did not end within 0.5 s: it ended with status" in (reasons(own)["checks/c0.py"] or "")


def test_a_check_that_kills_the_process_of_all_checks_makes_the_others_errors_and_none_passed(tmp_path: Path) -> None:
    own = owned(
        tmp_path,
        """
        @check("killer")
        def killer(ctx):
            os.write(2, b"NOISE\\n")
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)

        @check("other")
        def other(ctx): time.sleep(600)
        """,
    )
    assert statuses(own) == {"killer": "error", "other": "error"}
    said = reasons(own)["other"] or ""
    assert said.startswith("the process that runs the checks was lost: it ended with status")
    assert "NOISE" not in said


def test_a_check_that_writes_wherever_it_can_spoils_its_own_answer_alone(tmp_path: Path) -> None:
    own = owned(
        tmp_path,
        """
        @check("scribbles")
        def scribbles(ctx):
            for number in range(3, 64):
                try:
                    os.write(number, b'{"done": true}\\n')
                except OSError:
                    pass
            return ok()

        @check("behind", needs=["other"])
        def behind(ctx): return ok()

        @check("other")
        def other(ctx): return ok()
        """,
    )
    assert statuses(own) == {"behind": "passed", "other": "passed", "scribbles": "error"}


MISTAKES = """
@check("One", timeout=0)
def one(ctx): ...

@check("two", severity="fatal", retry_for="long", group="")
def two(ctx): ...

@check("two", needs=["tow"])
def again(ctx): ...

@check("a", needs=["b"])
def a(ctx): ...

@check("fine")
def fine(ctx): open(ctx.project / "ran", "w").close()

@check("b", needs=["a"])
def b(ctx): ...

@check("self", needs=["self"], timeout=float("nan"))
def c(ctx): ...

check("object")(3)
"""


def test_all_mistakes_are_told_at_once_with_their_places_and_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        owned(tmp_path, MISTAKES)
    assert sorted(caught.value.problems, key=lambda line: (int(line.split(":")[1]), line)) == [
        "checks/c0.py:4: check 'One': the id must be 1 to 80 small letters, digits, `_`, `-` and `.`",
        "checks/c0.py:4: check 'One': timeout 0: must be above 0 and at most 600 s",
        "checks/c0.py:7: check 'two': group '': must be small letters, digits, `_`, `-` and `.`",
        "checks/c0.py:7: check 'two': retry_for 'long': must be 0 to 3600 s",
        "checks/c0.py:7: check 'two': severity 'fatal': must be error, warning, info",
        "checks/c0.py:10: check 'two': needs 'tow', which is no check; did you mean 'two'?",
        "checks/c0.py:10: check 'two': this id is taken by checks/c0.py:7",
        "checks/c0.py:13: check 'a': waits for itself: a → b → a",
        "checks/c0.py:22: check 'self': timeout nan: must be above 0 and at most 600 s",
        "checks/c0.py:22: check 'self': waits for itself: self → self",
        "checks/c0.py:25: check 'object': `@check(…)` stands above something that cannot be called",
    ]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("chekcs/*.py", "no such file"),
        ("../elsewhere.py", "must lie in the project: a path relative to it, without `..`"),
        ("/etc/checks.py", "must lie in the project: a path relative to it, without `..`"),
        ("acme", "neither a file (`*.py`) nor an entry point of guardrails.checks; known are none"),
    ],
)
def test_plugins_that_are_not_there_are_a_mistake(tmp_path: Path, wanted: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        own_checks.OwnChecks().run(tmp_path, [wanted])
    assert caught.value.problems == (f"pyproject.toml: tool.guardrails.plugins: {wanted!r}: {said}",)


def distribution(site: Path, name: str, module: str) -> None:
    """An installed package that offers an entry point `acme`."""
    write_files(
        site,
        {
            f"{module}.py": source(f"@check('{module}.up')\ndef up(ctx): return fail('down')"),
            f"{name}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
            f"{name}-1.dist-info/entry_points.txt": f"[guardrails.checks]\nacme = {module}\n",
        },
    )


@pytest.mark.slow  # two runs
def test_an_installed_package_offers_checks_that_run_where_the_project_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path / "site", "acme", "acme_checks")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    write_files(tmp_path / "project", {"checks/a.py": source("@check('own')\ndef own(ctx): return ok()")})
    only_own, both = own_checks.OwnChecks(), own_checks.OwnChecks()
    only_own.run(tmp_path / "project", [FILES])
    both.run(tmp_path / "project", [FILES, "acme"])
    assert statuses(only_own) == {"own": "passed"}
    assert statuses(both) == {"acme_checks.up": "failed", "own": "passed"}
    # It lies outside the project: what the project says of it is its name in the settings.
    assert both.findings[0].place == "pyproject.toml"


def test_two_packages_that_offer_one_name_are_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path / "site", "acme", "acme_checks")
    distribution(tmp_path / "site", "other", "other_checks")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    with pytest.raises(ConfigError, match="installed packages disagree about it: acme_checks, other_checks"):
        own_checks.OwnChecks().run(tmp_path, ["acme"])


SELECTED = """
@check("a", group="startup")
def a(ctx): return ok()

@check("b", group="readiness", needs=["c"])
def b(ctx): return ok()

@check("c", group="liveness")
def c(ctx): return ok()
"""


@pytest.mark.parametrize(
    ("select", "expected"),
    [((), "abc"), (("a",), "a"), (("readiness",), "bc"), (("liveness", "a"), "ac")],
)
def test_an_id_or_a_group_selects_checks_and_brings_what_they_need(
    tmp_path: Path, select: tuple[str, ...], expected: str
) -> None:
    assert "".join(statuses(owned(tmp_path, SELECTED, select=select))) == expected


def test_a_selection_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"select: 'readyness': .*did you mean 'readiness'\?"):
        owned(tmp_path, SELECTED, select=("readyness",))


def test_a_check_imports_the_project_and_its_file_shadows_no_library(tmp_path: Path) -> None:
    write_files(tmp_path, {"lib/shop/stock.py": "LEFT = 3\n", "checks/json.py": source(SHADOW)})
    own = own_checks.OwnChecks()
    own.run(tmp_path, [FILES], roots=["lib"])
    assert reasons(own) == {"stock": "left=3"}


SHADOW = """
import json
from shop.stock import LEFT

@check("stock")
def stock(ctx): return ok(left=json.loads(str(LEFT)))
"""

LITTER = """
@check("hangs", timeout=0.3)
def hangs(ctx):
    start("own-group")
    start("own-session", start_new_session=True)
    time.sleep(600)

@check("passes")
def passes(ctx):
    start("left-behind")
    start("left-session", start_new_session=True)
    return ok()

def start(name, **given):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", f"{MARKER}-{name}"], **given)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@linux
def test_no_process_of_a_check_is_left(tmp_path: Path) -> None:
    marker = uuid.uuid4().hex
    own = owned(tmp_path, f"MARKER = '{marker}'\n{LITTER}")
    assert statuses(own) == {"hangs": "error", "passes": "passed"}
    assert gone(marker)


@linux
def test_what_a_check_started_is_gone_with_it_and_not_only_at_the_end(tmp_path: Path) -> None:
    own = owned(
        tmp_path,
        """
        @check("litters")
        def litters(ctx):
            child = subprocess.Popen(["sleep", "600"])
            (ctx.project / "child").write_text(str(child.pid))
            return ok()

        @check("looks", needs=["litters"], retry_for=10)
        def looks(ctx):
            pid = (ctx.project / "child").read_text()
            try:
                left = open(f"/proc/{pid}/cmdline").read()
            except FileNotFoundError:
                left = ""
            return fail(f"{pid} runs: {left}") if left else ok()
        """,
    )
    assert statuses(own) == {"litters": "passed", "looks": "passed"}, reasons(own)


@linux
def test_no_process_is_left_when_the_gate_itself_is_killed(tmp_path: Path) -> None:
    marker = uuid.uuid4().hex
    text = f"MARKER = '{marker}'\n{LITTER}".replace("timeout=0.3", "timeout=600")
    write_files(tmp_path, {"checks/a.py": source(text)})
    code = "import sys; from pathlib import Path; from guardrails.preflight.own_checks import OwnChecks"
    gate = subprocess.Popen(
        [sys.executable, "-c", f"{code}; OwnChecks().run(Path('.'), ['{FILES}'])"], cwd=tmp_path, start_new_session=True
    )
    end = time.monotonic() + 30
    while len(alive(marker)) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(gate.pid, signal.SIGKILL)
    gate.wait()
    assert gone(marker)
    assert gone(str(tmp_path))


def test_a_check_that_hangs_is_killed_soon_after_its_limit(tmp_path: Path) -> None:
    own = owned(tmp_path, "@check('hangs', timeout=0.5)\ndef hangs(ctx): time.sleep(600)")
    (result,) = own.results
    assert result.status == "error"
    assert 0.5 <= result.duration < 5  # the benchmark holds it to half a second


def test_on_a_system_without_fork_they_are_skipped_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.preflight.owned import gated

    monkeypatch.setattr("guardrails.preflight.contained.WHERE", False)
    record = gated(tmp_path, {"checks/a.py": source("@check('a')\ndef a(ctx): return fail('x')")})
    (result,) = [check for check in record.checks if check.id == "GR-CHECK"]
    assert (result.status, record.exit_code) == ("skipped", 0)
    assert result.reason == "checks run in forked processes, which this system does not have"


@pytest.mark.slow  # two runs, each with an HTTP client
@pytest.mark.parametrize("name", ["example_checks"])
def test_the_checks_that_ship_run(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty_server() as server:
        monkeypatch.setenv("MEMORY_URL", server.url)
        monkeypatch.setenv("BROKER_URL", server.url.replace("http", "redis"))
        text = (ROOT / "checks" / f"{name}.py").read_text("utf-8").replace('"{url}/health"', '"{url}/status/200"')
        write_files(tmp_path, {"checks/example.py": text})
        own = own_checks.OwnChecks()
        own.run(tmp_path, [FILES])
    assert (statuses(own)["broker.port"], statuses(own)["memory.health"]) == ("passed", "passed"), own.results
    monkeypatch.delenv("MEMORY_URL")
    monkeypatch.setenv("BROKER_URL", "redis://127.0.0.1:9")
    down = own_checks.OwnChecks()
    write_files(tmp_path, {"checks/example.py": text.replace("retry_for=30", "retry_for=0")})
    down.run(tmp_path, [FILES])
    assert (statuses(down)["broker.port"], statuses(down)["memory.health"]) == ("failed", "skipped"), down.results
    assert json.dumps(down.findings[0].fix) == '"Start the broker, or correct BROKER_URL."'
