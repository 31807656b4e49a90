"""What the guide tells to paste into CI: each file is one that its service takes, and its commands do what is said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.cli.command import BROKEN, SOUND, project
from tests.preflight.readers import junit_tests, sarif_run, workflow_commands
from tests.support import ROOT, need

if TYPE_CHECKING:
    from collections.abc import Mapping

GUIDE = (ROOT / "docs" / "guides" / "ci.md").read_text("utf-8")
GITHUB, GITLAB, PRE_COMMIT = (
    yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
)
HOOKS = ROOT / ".pre-commit-hooks.yaml"


@pytest.mark.parametrize(
    ("name", "workflow"),
    # `on` is a boolean to YAML 1.1.
    [("github-workflows", {"on" if key is True else key: GITHUB[key] for key in GITHUB}), ("gitlab-ci", GITLAB)],
    ids=["github", "gitlab"],
)
def test_the_file_is_one_that_the_service_takes(name: str, workflow: Any) -> None:
    need("check_jsonschema", f"the schema {name}")
    schema = json.loads((files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json").read_text("utf-8"))
    validator = Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(workflow)] == []
    job = next(iter(workflow.get("jobs", workflow).values()))
    broken = {**job, "script" if "script" in job else "steps": 3}
    wrong = {"jobs": {"gate": broken}, "on": "push"} if "jobs" in workflow else {"gate": broken}
    assert list(validator.iter_errors(wrong)) != []


def run(line: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A line of a job, in a shell that finds the command of this environment."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GUARDRAILS_", "GIT_"))}
    argv = ["bash", "-e", "-c", line]
    return subprocess.run(
        argv, cwd=cwd, env={**env, "PATH": path, **variables}, capture_output=True, encoding="utf-8", check=False
    )


def steps() -> list[str]:
    return [step["run"] for step in GITHUB["jobs"]["gate"]["steps"] if "run" in step]


@pytest.mark.parametrize(("sample", "status"), [(SOUND, 0), (BROKEN, 1)], ids=["sound", "broken"])
def test_the_steps_for_github_annotate_and_leave_a_summary_and_sarif(
    tmp_path: Path, sample: Mapping[str, str], status: int
) -> None:
    project(tmp_path, sample)
    install, gate, summary = steps()
    assert install == "pip install guardrails-ops"
    done = run(gate, tmp_path)
    assert (done.returncode, done.stderr) == (status, "")
    assert [a.properties["file"] for a in workflow_commands(done.stdout)] == ["app/main.py"] * status
    uploaded = next(s["with"]["sarif_file"] for s in GITHUB["jobs"]["gate"]["steps"] if "sarif" in s.get("uses", ""))
    assert len(sarif_run((tmp_path / uploaded).read_text("utf-8"))["results"]) == status
    assert run(summary, tmp_path, GITHUB_STEP_SUMMARY="summary.md").returncode == 0
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("# Gate: ")


@pytest.mark.parametrize(("sample", "status"), [(SOUND, 0), (BROKEN, 1)], ids=["sound", "broken"])
def test_the_job_for_gitlab_leaves_the_report_that_it_names(
    tmp_path: Path, sample: Mapping[str, str], status: int
) -> None:
    install, gate = GITLAB["gate"]["script"]
    assert install == "pip install guardrails-ops"
    assert run(gate, project(tmp_path, sample)).returncode == status
    report = tmp_path / GITLAB["gate"]["artifacts"]["reports"]["junit"]
    assert [test.outcome for test in junit_tests(report.read_text("utf-8"))].count("failure") == status


def test_the_hook_is_one_that_pre_commit_takes() -> None:
    need("pre_commit", "the hook of pre-commit")
    from pre_commit.clientlib import load_manifest

    (hook,) = load_manifest(str(HOOKS))
    assert (hook["id"], hook["pass_filenames"]) == (PRE_COMMIT["repos"][0]["hooks"][0]["id"], False)


@pytest.mark.slow  # pre-commit and git start a dozen processes
def test_pre_commit_stops_a_new_defect_and_lets_an_old_one_pass(tmp_path: Path) -> None:
    """The hook as the repository publishes it, but for the environment that pre-commit would install it into."""
    need("pre_commit", "the hook of pre-commit")
    (hook,) = yaml.safe_load(HOOKS.read_text("utf-8"))
    (asked,) = PRE_COMMIT["repos"][0]["hooks"]
    config = {"repos": [{"repo": "local", "hooks": [{**hook, **asked, "language": "system"}]}]}
    repository = project(tmp_path / "svc", {**BROKEN, ".pre-commit-config.yaml": yaml.safe_dump(config)})
    identity = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e", "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "e"}
    variables = {"PRE_COMMIT_HOME": str(tmp_path / "home"), "GIT_CONFIG_GLOBAL": os.devnull, **identity}
    first = run("git init -q && git add . && git commit -qm old", repository, **variables)
    assert (first.returncode, first.stderr) == (0, "")
    installed = run(f"{sys.executable} -m pre_commit install", repository, **variables)
    assert installed.returncode == 0, installed.stderr

    project(repository, {"app/fine.py": "x = 1\n"})
    sound = run("git add . && git commit -qm sound", repository, **variables)
    assert (sound.returncode, "Passed" in sound.stderr) == (0, True), sound.stderr
    project(repository, {"app/new.py": BROKEN["app/main.py"]})
    broken = run("git add . && git commit -qm broken", repository, **variables)
    assert broken.returncode == 1
    assert "error GR-ROUTE-001  app/new.py:10" in broken.stderr
    assert "app/main.py" not in broken.stderr
    assert run("git log --format=%s", repository, **variables).stdout.split() == ["sound", "old"]
