"""`guardrails json lint`: objects in a process of their own, text read strictly, one exit contract, no values shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import typing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from guardrails import jsonsafe
from guardrails.cli import json_lint, main
from guardrails.jsonlint import objects
from tests.cli.command import guardrails, project
from tests.cli.contract import COUNT, TEXT, closed
from tests.support import SRC

if TYPE_CHECKING:
    from pathlib import Path

TEXT_OR_NONE = {"type": ["string", "null"], "minLength": 1}
PLACE = {"type": ["integer", "null"], "minimum": 1}
REASONS = sorted(
    {"syntax", "encoding", "duplicate", "integer", "range", "lost", "crashed"} | objects.REASONS.keys(),
)
LINT = closed(
    lint_version={"const": 1},
    target=TEXT,
    profile={"enum": ["js", "pg", "log", "wire", "hash"]},
    verdict={"enum": ["passed", "failed", "unknown"]},
    exit_code={"enum": [0, 1, 3]},
    findings={
        "type": "array",
        "items": closed(
            path={"type": "string", "pattern": r"^\$"},
            reason={"enum": REASONS},
            message=TEXT,
            fix=TEXT,
            type=TEXT_OR_NONE,
            instead=TEXT_OR_NONE,
            line=PLACE,
            column=PLACE,
            first_line=PLACE,
        ),
    },
    omitted=COUNT,
    unknown=TEXT_OR_NONE,
    notes={"type": "array", "items": TEXT},
)
SCHEMA = Draft202012Validator(LINT)

EVENTS = """
import threading
from functools import partial

NAN = float("nan")
SAMPLE = {"score": NAN, "client": threading.Lock(), "ok": [1, None], "rows": [{"x y": NAN}]}
CLEAN = {"ok": True}


class Box:
    inner = {"x": NAN}

    def __init__(self):
        self.mine = NAN

    def __call__(self):
        raise RuntimeError("a value is not called")

    @staticmethod
    def built(size=2):
        return [NAN] * size


box = Box()


def needs(user, *, size):
    return CLEAN


async def later():
    return [NAN]


half = partial(needs, "u", size=1)
"""


def lint(*arguments: str, cwd: Path, **variables: str) -> dict[str, Any]:
    """What the command says, once it kept its published shape and its exit status."""
    done = guardrails("json", "lint", "--format", "json", *arguments, cwd=cwd, **variables)
    assert done.stderr == ""
    said: dict[str, Any] = json.loads(done.stdout)
    assert [f"{list(error.path)}: {error.message}" for error in SCHEMA.iter_errors(said)] == []
    assert said["exit_code"] == done.returncode
    assert said["verdict"] == {0: "passed", 1: "failed", 3: "unknown"}[done.returncode]
    return said


def paths(said: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found["reason"], found["path"]) for found in said["findings"]]


# Objects.


def test_every_value_that_json_cannot_keep_is_listed(tmp_path: Path) -> None:
    said = lint("events.py:SAMPLE", cwd=project(tmp_path, {"events.py": EVENTS}))
    assert said["exit_code"] == 1
    assert [(f["path"], f["reason"], f["type"], f["instead"]) for f in said["findings"]] == [
        ("$.score", "nan", "float", "null"),
        ("$.client", "opaque", "_thread.lock", "the marker that names the reason and the type"),
        ("$.rows[0]['x y']", "nan", "float", "null"),
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("events.py:CLEAN", []),
        ("events.py:Box.inner", [("nan", "$.x")]),
        ("events.py:Box.built", [("nan", "$[0]"), ("nan", "$[1]")]),
        ("events.py:box.mine", [("nan", "$")]),
        ("events.py:box", [("opaque", "$"), ("nan", "$.mine")]),
        ("events.py:Box", [("opaque", "$"), ("nan", "$.mine")]),
        ("events.py:later", [("nan", "$[0]")]),
        ("events.py:half", []),
        ("events:Box.inner", [("nan", "$.x")]),
    ],
)
def test_an_object_may_be_dotted_and_what_needs_no_arguments_is_called(
    tmp_path: Path, target: str, expected: list[tuple[str, str]]
) -> None:
    assert paths(lint(target, cwd=project(tmp_path, {"events.py": EVENTS}))) == expected


PACKAGE = {
    "backend/app/__init__.py": "",
    "backend/app/frames.py": "from .parts import PART\nfrom app import parts\nimport beside, top\nFRAME = [PART] * 2\n",
    "backend/app/parts.py": "PART = float('inf')\n",
    "backend/app/beside.py": "",
    "backend/app/colorsys.py": "raise SystemExit('it hides the standard library')\n",
    "top.py": "import colorsys\n",
    "scripts/my-sample.py": "import near, top\nFRAME = near.FRAME\n",
    "scripts/near.py": "FRAME = {1: 2, '1': 3}\n",
    "scripts/json.py": "import json\nFRAME = {'a': float('nan'), 'b': json.dumps([])}\n",
}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("backend/app/frames.py:FRAME", [("nan", "$[0]"), ("nan", "$[1]")]),
        ("backend/app/__init__.py:__path__", []),
        ("scripts/my-sample.py:FRAME", [("key", "$['1#2']")]),
        ("scripts/json.py:FRAME", [("nan", "$.a")]),
    ],
)
def test_imports_work_as_for_python_and_in_a_package_by_its_dotted_name(
    tmp_path: Path, target: str, expected: list[tuple[str, str]]
) -> None:
    found = paths(lint(target, cwd=project(tmp_path, PACKAGE)))
    assert [each for each in found if each[0] != "opaque"] == expected


@pytest.mark.parametrize(
    ("profile", "expected"),
    [("js", []), ("wire", []), ("hash", []), ("log", []), ("pg", [("nul", "$.text")])],
)
def test_the_profile_is_that_of_the_encoder(tmp_path: Path, profile: str, expected: list[tuple[str, str]]) -> None:
    files = {"events.py": "FRAME = {'text': 'a\\0', 'password': 'hunter2hunter2'}\n"}
    said = lint("--profile", profile, "events.py:FRAME", cwd=project(tmp_path, files))
    assert paths(said) == expected
    assert said["notes"] == (["masked as secrets, 1: $.password"] if profile == "log" else [])


def test_more_findings_than_a_thousand_are_counted(tmp_path: Path) -> None:
    files = {"events.py": "FRAME = [float('nan')] * 1500\nSECRETS = [{'password': 'hunter2hunter2'}] * 1500\n"}
    project(tmp_path, files)
    said = lint("events.py:FRAME", cwd=tmp_path)
    assert (len(said["findings"]), said["omitted"]) == (1000, 500)
    assert guardrails("json", "lint", "events.py:FRAME", cwd=tmp_path).stdout.splitlines()[-2:] == [
        "… and 500 more",
        "FAILED  1,500 findings · events.py:FRAME · profile js",
    ]


@pytest.mark.slow  # the profile gives a message 50 ms, and the value needs more
def test_a_message_that_is_too_slow_for_the_profile_could_not_be_looked_at(tmp_path: Path) -> None:
    code = """
        import time
        from guardrails import jsonsafe

        class Slow: ...

        jsonsafe.register(Slow, lambda _: time.sleep(0.2) or 1)
        FRAME = [Slow(), 1, Slow()]
    """
    said = lint("--profile", "log", "events.py:FRAME", cwd=project(tmp_path, {"events.py": dedented(code)}))
    assert (said["exit_code"], said["findings"]) == (3, [])
    assert said["unknown"].startswith("the time that this profile gives one message ran out at $[")


def dedented(code: str) -> str:
    import textwrap

    return textwrap.dedent(code)


def test_there_are_words_for_every_reason_and_action_of_the_encoder() -> None:
    hints = typing.get_type_hints(jsonsafe.Entry)
    # The two that are no findings.
    assert objects.REASONS.keys() == set(typing.get_args(hints["reason"])) - {"secret", "deadline"}
    assert objects.INSTEAD.keys() == set(typing.get_args(hints["action"])) - {"masked"}


VALUE = """import os
from collections import UserDict
class Value(UserDict):
    def items(self):
        {}
    __iter__ = keys = items
OBJECT = Value(a=1)
"""
CRASHES = {
    "an error": ("def f():\n    {}['token-1234']\nf()", "imported, at bad.py:2", "KeyError"),
    "a missing import": ("import no_such_thing", "imported, at bad.py:1: no_such_thing", "ModuleNotFoundError"),
    "an exit": ("import sys\nsys.exit(4)", "imported, at bad.py:2: status 4", "SystemExit"),
    "a quiet exit": ("raise SystemExit", "imported, at bad.py:1: status 0", "SystemExit"),
    "an interrupt": ("raise KeyboardInterrupt", "imported, at bad.py:1", "KeyboardInterrupt"),
    "no syntax": ("def (:", "imported, at bad.py:1", "SyntaxError"),
    "an error of its own": ("class Mine(BaseException): ...\nraise Mine", "imported, at bad.py:2", "bad.Mine"),
    "an end of the process": ("import os\nos._exit(0)", "status 0 while it was imported", None),
    "an end with a status": ("import os\nos._exit(9)", "status 9 while it was imported", None),
    "a signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV while it was imported", None),
    "a call that fails": ("def OBJECT():\n    return 1 / 0", "called, at bad.py:2", "ZeroDivisionError"),
    "a call that ends the process": ("import os\ndef OBJECT():\n    os._exit(1)", "status 1 while it was called", None),
    "a value that ends the process": (VALUE.format("os._exit(5)"), "status 5 while it was looked through", None),
    "a value that interrupts": (
        VALUE.format("raise KeyboardInterrupt"),
        "looked through, at bad.py:5",
        "KeyboardInterrupt",
    ),
}


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_of_the_users_code_is_contained_and_named(tmp_path: Path, name: str) -> None:
    code, said, kind = CRASHES[name]
    outcome = lint("bad.py:OBJECT", cwd=project(tmp_path, {"bad.py": code + "\n"}))
    (found,) = outcome["findings"]
    assert (outcome["exit_code"], found["reason"], found["type"]) == (1, "crashed", kind)
    assert said in found["message"]
    assert "token-1234" not in json.dumps(outcome)


NOISE = """
import os, sys, threading, time
print('{"exit_code": 0}')
sys.stderr.write("x" * 100_000)
sys.stdout.write("no line break")
os.write(1, b"raw\\n")
print(open(0).read(), sys.argv)
os.closerange(3, 256)
os.chdir("/")
sys.stdout = None
json = sys.modules.pop("json")
threading.Thread(target=time.sleep, args=(600,)).start()
import atexit
atexit.register(time.sleep, 600)
OBJECT = [float("nan")]
"""


def test_noise_closed_descriptors_threads_and_exit_hooks_do_not_disturb_the_answer(tmp_path: Path) -> None:
    said = lint("noisy.py:OBJECT", cwd=project(tmp_path, {"noisy.py": NOISE}))
    assert paths(said) == [("nan", "$[0]")]
    (note,) = said["notes"]
    count = int(note.removeprefix("its code printed ").partition(" ")[0].replace(",", ""))
    assert 100_000 < count < 101_000


@pytest.mark.slow  # waits for the limit that it tests
@pytest.mark.parametrize(
    ("code", "phase"),
    [("import time\ntime.sleep(600)", "imported"), ("def OBJECT():\n    while True: pass", "called")],
)
def test_a_hang_ends_with_3_in_time(tmp_path: Path, code: str, phase: str) -> None:
    begun = time.monotonic()
    said = lint("--timeout", "3", "slow.py:OBJECT", cwd=project(tmp_path, {"slow.py": code}))
    assert (said["exit_code"], said["findings"]) == (3, [])
    assert said["unknown"] == f"it did not end within 3 s while it was {phase}: see --timeout"
    assert time.monotonic() - begun < 30


def test_what_the_code_started_ends_with_it(tmp_path: Path) -> None:
    code = """
        import subprocess, sys
        from pathlib import Path
        started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path("pid").write_text(str(started.pid))
        OBJECT = 1
    """
    assert lint("starts.py:OBJECT", cwd=project(tmp_path, {"starts.py": dedented(code)}))["exit_code"] == 0
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and that nobody waited for does not."""
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return status.strip() not in ("", "Z") and not status.startswith("Z")


def test_the_child_looks_with_the_library_that_was_called(tmp_path: Path) -> None:
    shutil.copytree(SRC, tmp_path / "guardrails", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import guardrails\nOBJECT = {'file': guardrails.__file__.startswith(__file__[:-7]) or float('nan')}\n"
    assert paths(lint("mine.py:OBJECT", cwd=project(tmp_path, {"mine.py": code}))) == []


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    folder = project(tmp_path / "work", PACKAGE)
    lint("backend/app/frames.py:FRAME", cwd=folder, TMPDIR=str(temporary), PYTHONDONTWRITEBYTECODE="")
    assert list(temporary.iterdir()) == []
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == sorted(
        PACKAGE
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["events.py:SAMPEL"], "the module has no 'SAMPEL'; did you mean SAMPLE?"),
        (["events.py:Box.inne"], "type has no 'inne'; did you mean inner?"),
        (["events.py:needs"], "needs needs arguments (user, size)"),
        (["events.py"], "which object of events.py? Write events.py:NAME"),
        (["events.py:"], "which object of events.py? Write events.py:NAME"),
        (["events.py:1x"], "'1x' is no name of an object"),
        (["gone.py:X"], "gone.py: no such file"),
        (["gone.thing:X"], "there is no module 'gone' here"),
        (["folder.sub.gone:X"], "there is no module 'folder.sub.gone' here"),
        (["twin/events.py:X"], "is imported as twin.events, but Python takes"),
        (["gone.json"], "gone.json: No such file or directory. Give FILE.json, FILE.py:OBJECT, or - for stdin"),
        (["folder"], "folder: Is a directory"),
        (["x" * 5000], "File name too long"),
        (["--lines", "events.py:SAMPLE"], "--lines is for text"),
        (["--profile", "log", "a.json"], "--profile log is for objects; text is read as js or pg"),
        (["--profile", "yaml", "a.json"], "'yaml' is not one of"),
        (["--timeout", "0", "a.json"], "0.0 is not in the range"),
        ([], "Missing argument"),
        (["a.json", "b.json"], "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_mistake_in_the_call_ends_with_2_and_says_what_to_do(tmp_path: Path, arguments: list[str], said: str) -> None:
    files = {
        "events.py": EVENTS,
        "a.json": "{}",
        "folder/__init__.py": "",
        "folder/sub/__init__.py": "",
        "twin/__init__.py": "",
        "twin/events.py": "X = 1\n",
        "twin/events/__init__.py": "X = 2\n",
    }
    done = guardrails("json", "lint", *arguments, cwd=project(tmp_path, files))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


# Text.


def test_a_clean_file_passes(tmp_path: Path) -> None:
    (tmp_path / "frame.json").write_text('{"a": [1, "x", null]}', encoding="utf-8")
    done = guardrails("json", "lint", "frame.json", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "PASSED  0 findings · frame.json · profile js\n", "")


def test_findings_in_a_file_are_shown_with_place_and_fix(tmp_path: Path) -> None:
    (tmp_path / "frame.json").write_text('{"a": 1,\n "a": NaN}', encoding="utf-8")
    done = guardrails("json", "lint", "frame.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        "error duplicate  frame.json:2:2  $.a",
        "  a name that stands in this object already (name)",
        "  first   line 1",
        "  instead the last of them, with most readers",
        "  fix     rename or remove one of the two",
        "",
        "error nan  frame.json:2:7  $.a",
        "  NaN or infinity, which JSON does not have (number)",
        "  instead an error of every strict reader",
        "  fix     write null; jsonsafe.dumps does so and reports it, json.dumps does neither",
        "",
        "FAILED  2 findings · frame.json · profile js",
    ]


def test_a_lossy_frame_is_listed_by_path_and_reason(tmp_path: Path) -> None:
    (tmp_path / "frame.json").write_bytes(jsonsafe.dumps({"user": {"client": object()}}))
    (found,) = lint("frame.json", cwd=tmp_path)["findings"]
    assert (found["reason"], found["path"], found["type"]) == ("lost", "$.user.client", "object")
    assert "(reason: opaque)" in found["message"]


def test_the_profile_pg_refuses_u_0000_in_text(tmp_path: Path) -> None:
    (tmp_path / "frame.json").write_text('["\\u0000"]', encoding="utf-8")
    assert paths(lint("frame.json", cwd=tmp_path)) == []
    assert paths(lint("--profile", "pg", "frame.json", cwd=tmp_path)) == [("nul", "$[0]")]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("log.jsonl", [], [("nan", 2)]),
        ("log.ndjson", [], [("nan", 2)]),
        ("app.log", ["--lines"], [("nan", 2)]),
        ("log.json", [], [("syntax", 2)]),
    ],
)
def test_json_lines_go_by_the_name_or_the_option(
    tmp_path: Path, name: str, arguments: list[str], expected: list[tuple[str, int]]
) -> None:
    (tmp_path / name).write_text("[1]\n[NaN]\n", encoding="utf-8")
    said = lint(*arguments, name, cwd=tmp_path)
    assert [(found["reason"], found["line"]) for found in said["findings"]] == expected


@pytest.mark.parametrize(("arguments", "expected"), [([], ["syntax"]), (["--lines"], ["nan"])])
def test_standard_input_is_read(tmp_path: Path, arguments: list[str], expected: list[str]) -> None:
    command = [sys.executable, "-m", "guardrails", "json", "lint", "--format", "json", *arguments, "-"]
    done = subprocess.run(command, cwd=tmp_path, input=b"[1]\n[NaN]\n", capture_output=True, check=False)
    said = json.loads(done.stdout)
    assert (done.returncode, [found["reason"] for found in said["findings"]], said["target"]) == (1, expected, "-")


def test_the_users_code_does_not_read_our_standard_input(tmp_path: Path) -> None:
    project(tmp_path, {"reads.py": "OBJECT = [float('nan')] * len(open(0).read())\n"})
    command = [sys.executable, "-m", "guardrails", "json", "lint", "reads.py:OBJECT"]
    done = subprocess.run(command, cwd=tmp_path, input=b"typed", capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode()) == (0, "PASSED  0 findings · reads.py:OBJECT · profile js\n")


@pytest.mark.slow  # a text that is read for longer than the limit
@pytest.mark.parametrize(("first", "status"), [(b"0", 3), (b"NaN", 1)])
def test_a_text_that_is_not_read_in_time_ends_with_3_unless_something_was_found(
    tmp_path: Path, first: bytes, status: int
) -> None:
    (tmp_path / "large.json").write_bytes(b"[" + first + b",{}" * 1_000_000 + b"]")
    said = lint("--timeout", "0.1", "large.json", cwd=tmp_path)
    assert (said["exit_code"], len(said["findings"])) == (status, 1 if status == 1 else 0)
    assert said["unknown"] == "the 0.1 s of --timeout ran out, at line 1"


# What is shown.


def test_values_are_never_shown_and_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    token = "sk-proj-" + "abcdefghijklmnop1234567890" * 2
    value = {"a\x1b[31m\u202e": "private-\ud800", token: float("nan"), "n": 90071992547409931234, "twice": 1}
    text = json.dumps(value)[:-1] + ', "twice": "private-two", "x": private-three}'
    project(tmp_path, {"frame.json": text, "events.py": f"V = {value!r}\n".replace(" nan,", " float('nan'),")})
    for target in ("frame.json", "events.py:V"):
        for form in ("human", "json"):
            done = guardrails("json", "lint", "--format", form, target, cwd=tmp_path)
            assert done.returncode == 1
            assert [word for word in ("private", token, "9007199", "\x1b", "\u202e") if word in done.stdout] == []
            assert "\\x1b[31m" in done.stdout or "\\u001b[31m" in done.stdout


def test_a_marker_that_claims_a_secret_for_its_type_does_not_show_it(tmp_path: Path) -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
    (tmp_path / "frame.json").write_text(json.dumps({"$lost": "opaque", "$type": token}), encoding="utf-8")
    (found,) = lint("frame.json", cwd=tmp_path)["findings"]
    assert (found["reason"], found["type"]) == ("lost", "[redacted]")


def test_somebody_who_watches_sees_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(json_lint, "SHOW_AFTER", 0.0)
    watch = json_lint._Watch(60)
    watch.tick(3 << 20)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    watch.tick(3 << 20)
    watch.clear()
    assert capsys.readouterr().err == "\rread 3.0 MiB\r\033[K"


def test_the_help_shows_an_example_and_the_exit_statuses_and_imports_nothing_heavy(tmp_path: Path) -> None:
    done = guardrails("json", "lint", "--help", cwd=tmp_path)
    words = " ".join(done.stdout.split())
    assert "Example: guardrails json lint --profile pg app/events.py:SAMPLE" in words
    assert "0 nothing found, 1 findings" in words
    code = (
        "import sys\nfrom guardrails.cli import main\n"
        "try:\n    main(['json', 'lint', '--help'])\nexcept SystemExit:\n    print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    heavy = {"orjson", "subprocess", "guardrails.jsonsafe", "guardrails.redact", "guardrails.jsonlint.scan"}
    assert heavy & set(loaded.stdout.split()) == set()


def test_a_fault_of_ours_ends_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("boom")

    monkeypatch.setattr("guardrails.jsonlint.scan.Scan.run", broken)
    monkeypatch.delenv("GUARDRAILS_DEBUG", raising=False)
    (tmp_path / "frame.json").write_text("[]", encoding="utf-8")
    done = CliRunner().invoke(main, ["json", "lint", str(tmp_path / "frame.json")])
    assert (done.exit_code, "internal error" in done.stderr) == (3, True)


def test_a_fault_of_the_encoder_is_not_blamed_on_the_users_code() -> None:
    crash = {"type": "RuntimeError", "detail": None, "place": [os.path.__file__, 1], "ours": True}
    outcome = objects.understood([{"phase": "looked through"}, {"crash": crash}], 0, 60)
    assert (outcome.findings, outcome.unknown) == (
        (),
        "the encoder failed with RuntimeError: a fault of guardrails, please report it",
    )
