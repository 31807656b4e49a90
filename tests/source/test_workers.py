"""Workers that die, hang or lie: the file in flight is named, every other one is answered."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import orjson
import pytest

from guardrails.source import workers
from guardrails.source.workers import BATCH, Worker
from tests.source.projects import write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fake = Callable[[str], str]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """A worker's stand-in: answers `{}` for each path after running `body`, which sees `path` and `name`."""

    def make(body: str) -> str:
        script = tmp_path / "fake-python"
        source = f"""\
            #!{sys.executable} -IS
            import json, os, signal, sys
            for line in sys.stdin:
                for path in json.loads(line)["paths"]:
                    name = os.path.basename(path)
                    {body}
                    print(json.dumps({{"scopes": [], "name": name, "pid": os.getpid()}}), flush=True)
            """
        script.write_text(textwrap.dedent(source))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return str(script)

    return make


def run(executable: str, folder: Path, names: list[str], jobs: int = 1) -> dict[str, dict[str, object]]:
    answers = workers.run(executable, None, folder, names, jobs=jobs)
    return {name: orjson.loads(raw) for name, raw in answers.items()}


NAMES = [f"m{number:03}.py" for number in range(BATCH + 8)]


def test_a_worker_that_dies_costs_the_one_file_it_died_of(fake: Fake, tmp_path: Path) -> None:
    answers = run(fake("if name == 'm005.py': os.kill(os.getpid(), signal.SIGSEGV)"), tmp_path, NAMES)
    assert sorted(answers) == NAMES
    assert {name for name in NAMES if "error" in answers[name]} == {"m005.py"}
    assert answers["m005.py"] == {"error": "the parser did not survive it (exit status -11)"}
    assert answers["m004.py"]["pid"] != answers["m006.py"]["pid"]


@pytest.mark.parametrize(
    "victims", [["m000.py"], ["m000.py", "m001.py"], [NAMES[-1]], ["m030.py", "m031.py", "m032.py"]]
)
def test_every_file_that_a_worker_dies_of_is_named(fake: Fake, tmp_path: Path, victims: list[str]) -> None:
    answers = run(fake(f"if name in {victims!r}: os._exit(7)"), tmp_path, NAMES)
    assert sorted(name for name in NAMES if "error" in answers[name]) == victims
    assert {str(answers[name]["error"]) for name in victims} == {"the parser did not survive it (exit status 7)"}


def test_a_worker_that_dies_in_the_middle_of_a_line_answers_for_none_but_the_whole_ones(
    fake: Fake, tmp_path: Path
) -> None:
    body = "if name == 'm002.py': (sys.stdout.write('{\"scopes\": ['), sys.stdout.flush(), os._exit(0))"
    answers = run(fake(body), tmp_path, NAMES[:4])
    assert {name for name in NAMES[:4] if "error" in answers[name]} == {"m002.py"}


def test_a_worker_that_never_starts_up_is_said_of_every_file(fake: Fake, tmp_path: Path) -> None:
    names = NAMES[:3]
    answers = run(fake("os._exit(3)"), tmp_path, names)
    assert {str(answers[name]["error"]) for name in names} == {"the parser did not survive it (exit status 3)"}


def test_a_worker_that_hangs_is_killed(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "BATCH_LIMIT", 0.3)
    answers = run(fake("name == 'm001.py' and signal.pause()"), tmp_path, NAMES[:3])
    assert {name for name in answers if "error" in answers[name]} == {"m001.py"}
    assert answers["m001.py"]["error"] == "the parser did not survive it (exit status -9)"


def test_an_interpreter_that_cannot_be_started_is_the_caller_s_to_hear_of(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(str(tmp_path / "gone"), tmp_path, NAMES)


def test_several_workers_share_the_files(fake: Fake, tmp_path: Path) -> None:
    names = [f"m{number:03}.py" for number in range(BATCH * 4)]
    answers = run(fake("pass"), tmp_path, names, jobs=3)
    assert sorted(answers) == names
    assert 1 <= len({answer["pid"] for answer in answers.values()}) <= 3


def test_progress_ends_with_all_of_them(fake: Fake, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    workers.run(fake("pass"), None, tmp_path, NAMES, jobs=2, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (len(NAMES), len(NAMES))
    assert heard == sorted(heard)


def test_no_child_outlives_its_work(fake: Fake, tmp_path: Path) -> None:
    answers = run(fake("if name == 'm003.py': os._exit(1)"), tmp_path, NAMES, jobs=2)
    pids = {answer["pid"] for answer in answers.values() if "pid" in answer}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(str(pid)), 0)


def test_ending_a_worker_twice_or_before_its_start_is_fine(tmp_path: Path) -> None:
    worker = Worker(sys.executable, None)
    assert worker.end() == 0
    write(tmp_path, {"a.py": "x = 1\n"})
    assert [name for name, _ in worker.answers(tmp_path, ["a.py"])] == ["a.py"]
    assert (worker.end(), worker.end()) == (0, 0)


def test_a_worker_hears_nothing_of_the_project_s_python_settings(tmp_path: Path) -> None:
    """PYTHONPATH and a usercustomize of the project must not run: nothing of it is executed."""
    write(tmp_path, {"a.py": "x = 1\n", "usercustomize.py": "raise SystemExit(9)\n", "ast.py": "raise SystemExit(9)\n"})
    code = "from pathlib import Path; from guardrails.source import workers; import sys\n"
    code += "print(workers.run(sys.executable, None, Path('.'), ['a.py'], jobs=1)['a.py'].decode())\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONSTARTUP": "usercustomize.py", "PYTHONINSPECT": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["binds"] == [[0, "", 1, "x", ["c", 1]]]
