"""What the live checks tell of imports that end: names, places, costs, order, shadows, versions, interpreters."""

# ruff: noqa: E501 - a case reads best on one line

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from guardrails.config import Config, ImportsConfig, PreflightConfig, load_config
from guardrails.errors import ConfigError
from guardrails.preflight import contained, run_gate
from guardrails.preflight.checks import live_findings
from tests.preflight.cases import write_files
from tests.preflight.lively import live, note, only, rules, told
from tests.support import ROOT

pytestmark = pytest.mark.skipif(not contained.WHERE, reason="imports are contained by fork")

OLDER = ("3.9", "3.10", "3.12", "3.13", "3.14")


# Frameworks, as they are


DJANGO = {
    "mysite/__init__.py": "",
    "mysite/settings.py": (
        "SECRET_KEY = 'x' * 50\nINSTALLED_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', 'shop']\n"
        "USE_TZ = True\nDEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n"
    ),
    "shop/__init__.py": "",
    "shop/models.py": "from django.db import models\n\n\nclass Order(models.Model):\n    total = models.IntegerField()\n",
    "shop/views.py": "from django.contrib.auth.models import User\nfrom shop.models import Order\n",
}


@pytest.mark.parametrize("isolate", [False, True])
def test_django_is_set_up_first(tmp_path: Path, isolate: bool) -> None:
    names = ("shop.models:Order", "shop.views:User", "django.contrib.auth.models:User.objects")
    record = live(tmp_path, DJANGO, *names, setup="django:mysite.settings", isolate=isolate)
    assert told(record) == []
    assert note(record).startswith(f"imports: 4 of 4 work{' alone' if isolate else ''} under")


def test_django_models_without_the_set_up_fail(tmp_path: Path) -> None:
    (message,) = (text for _, text in told(live(tmp_path, DJANGO, "shop.models")))
    assert message.startswith("importing shop.models raises django.core.exceptions.ImproperlyConfigured")
    assert "from shop/models.py:4" in message


@pytest.mark.parametrize(
    ("code", "rule", "said"),
    [
        ("1 / 0\n", "002", "the set-up django:mysite.settings raises ZeroDivisionError: division by zero"),
        ("import os\nos._exit(0)\n", "003", "the set-up django:mysite.settings ends the process with status 0"),
        ("import nothing_here\n", "002", "the set-up django:mysite.settings raises ModuleNotFoundError"),
    ],
)
def test_a_set_up_that_fails_is_the_one_cause(tmp_path: Path, code: str, rule: str, said: str) -> None:
    files = {**DJANGO, "mysite/settings.py": code}
    record = live(tmp_path, files, "shop.models", "shop.views", setup="django:mysite.settings")
    (first, message), (second, rest) = told(record)
    assert (first, second) == (rule, "004")
    assert message.startswith(said)
    assert rest == "not tried, because the set-up failed: shop.models, shop.views"


def test_a_set_up_of_one_s_own_is_called(tmp_path: Path) -> None:
    files = {
        "app/start.py": "ready = False\ndef up():\n    global ready\n    ready = True\n",
        "app/late.py": "from app import start\nassert start.ready\n",
    }
    assert told(live(tmp_path, files, "app.late", setup="app.start:up")) == []
    assert rules(live(tmp_path, files, "app.late")) == ["002"]


FRAMEWORKS = {
    "app/api.py": "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/')\ndef root(): ...\n",
    "app/work.py": "from celery import Celery\n\napp = Celery('work')\n\n\n@app.task\ndef add(): ...\n",
    "app/queue.py": "from taskiq import InMemoryBroker\n\nbroker = InMemoryBroker()\n\n\n@broker.task\nasync def send(): ...\n",
}


@pytest.mark.parametrize("isolate", [False, True])
def test_fastapi_celery_and_taskiq_are_imported_with_their_attributes(tmp_path: Path, isolate: bool) -> None:
    names = ("app.api:app.routes", "app.work:add.delay", "app.queue:send.kiq", "celery", "fastapi:FastAPI")
    record = live(tmp_path, FRAMEWORKS, *names, isolate=isolate)
    assert told(record) == []
    assert note(record).startswith("imports: 5 of 5 work")


def test_the_sample_backend_imports(tmp_path: Path) -> None:
    config = Config(
        imports=ImportsConfig(critical=("app.main:app", "app.tasks")), preflight=PreflightConfig(record=False)
    )
    record = run_gate(ROOT / "examples" / "agent_backend", config=config, select=["GR-LIVE"])
    assert (told(record), record.exit_code) == ([], 0)


# What is not there


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jsno", "jsno is not there: no module 'jsno'; did you mean 'json'?"),
        ("email.mesage", "email.mesage is not there: no module 'email.mesage'; did you mean 'email.message'?"),
        ("app.mian", "app.mian is not there: no module 'app.mian'; did you mean 'app.main'?"),
        ("json.decoder.more", "json.decoder.more is not there: no module 'json.decoder.more'"),
        ("bs4_", "bs4_ is not there: no module 'bs4_'"),
        ("git", "git is not there: no module 'git'; gitpython provides it"),
        ("json:lods", "json has no 'lods'; did you mean 'loads'?"),
        ("app.main:Main.startt", "app.main has no 'Main.startt'; did you mean 'start'?"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_the_one_that_was_meant(tmp_path: Path, name: str, said: str) -> None:
    files = {"app/main.py": "class Main:\n    def start(self): ...\n"}
    record = live(tmp_path, files, name, "json")
    assert only(record).rule == "GR-LIVE-001"
    assert only(record).message.startswith(said)
    assert (record.exit_code, only(record).severity) == (1, "error")


def test_a_module_that_only_a_run_can_find_is_found(tmp_path: Path) -> None:
    files = {
        "app/paths.py": "import sys\nsys.path.append(__file__.replace('app/paths.py', 'more'))\n",
        "more/later.py": "",
    }
    assert told(live(tmp_path, files, "os.path", "app.paths", "later")) == []


def test_an_optional_module_may_be_absent_but_not_broken(tmp_path: Path) -> None:
    files = {"broken.py": "1 / 0"}
    record = live(tmp_path, files, "json", optional=("not_installed", "broken", "email.mesage"))
    assert {(f.message.split()[0], f.severity.value) for f in record.findings} == {
        ("not_installed", "info"),
        ("importing", "warning"),
        ("email.mesage", "warning"),
    }
    assert (record.verdict, record.exit_code) == ("passed", 0)
    assert "absent and optional: not_installed" in note(record)


# Places and words


def test_a_finding_stands_at_the_line_of_the_project_that_led_there(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[tool.guardrails.imports]\ncritical = [\n  "json",\n  "jsno",\n  "app.a",\n]\n',
        "app/a.py": "x = 1\nfrom app import b\n",
        "app/b.py": "import json\n\njson.loads('{')\n",
        "app/__init__.py": "",
    }
    record = run_gate(write_files(tmp_path, files), select=["GR-LIVE"])
    assert {(f.rule, f.path, f.line) for f in record.findings} == {
        ("GR-LIVE-001", "pyproject.toml", 4),
        ("GR-LIVE-002", "app/b.py", 3),
    }


SECRETS = {"SERVICE_API_KEY": "kwT-81hdq-29xA", "DATABASE_URL": "postgres://app:s3cr3tpw@db/x"}


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('bad: ' + secret)",
        "print(secret); raise ValueError",
        "import sys; sys.stderr.write(secret); sys.exit(secret)",
        "import os, faulthandler; print(secret, flush=True); os._exit(1)",
        "import subprocess; subprocess.run(['true', secret])",
        "import os; os.environ[secret] = '1'",
    ],
)
@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_of_the_environment_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, name: str
) -> None:
    monkeypatch.setenv(name, SECRETS[name])
    record = live(tmp_path, {"leaks.py": f"import os\nsecret = os.environ[{name!r}]\n{code}\n"}, "leaks")
    assert record.findings
    text = record.to_json()
    assert "kwT-81hdq" not in text
    assert "s3cr3tpw" not in text


def test_a_secret_of_the_env_file_is_not_told(tmp_path: Path) -> None:
    files = {".env": 'API_TOKEN="zq9-ppw-1kd"\n', "leaks.py": "raise ValueError('no such token: zq9-ppw-1kd')\n"}
    record = live(tmp_path, files, "leaks")
    assert only(record).message == "importing leaks raises ValueError: no such token: [redacted] (leaks.py:1)"


# Settings


SETTINGS = """
from pydantic import field_validator
from pydantic_settings import BaseSettings

class Inner(BaseSettings):
    depth: int = 1

class Settings(BaseSettings):
    model_config = {"env_prefix": "APP_", "env_nested_delimiter": "__"}
    database_url: str
    port: int = 1
    level: str = "info"
    inner: Inner = Inner()
    many: list[int] = []

    @field_validator("level")
    @classmethod
    def check(cls, value: str) -> str:
        if value == "hunter2secret":
            raise ValueError(f"no level: {value.upper()}")
        return value
"""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, ["app.settings:Settings needs APP_DATABASE_URL: missing: Field required"]),
        ({"APP_DATABASE_URL": "x"}, []),
        (
            {"APP_DATABASE_URL": "x", "APP_PORT": "hunter2secret"},
            ["app.settings:Settings needs APP_PORT: int_parsing: Input should be a valid integer, unable to parse string as an integer"],
        ),
        ({"APP_DATABASE_URL": "x", "APP_LEVEL": "hunter2secret"}, ["app.settings:Settings needs APP_LEVEL: value_error"]),
        (
            {"APP_DATABASE_URL": "x", "APP_INNER__DEPTH": "hunter2secret"},
            ["app.settings:Settings needs APP_INNER__DEPTH: int_parsing: Input should be a valid integer, unable to parse string as an integer"],
        ),
    ],
)  # fmt: skip
def test_settings_are_told_by_name_and_kind_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: list[str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    record = live(tmp_path, {"app/settings.py": SETTINGS}, settings="app.settings:Settings")
    assert told(record) == [("010", text) for text in said]
    assert "hunter2secret" not in record.to_json().lower()


def test_settings_that_cannot_be_read_at_all_are_told_without_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "x")
    monkeypatch.setenv("APP_MANY", "hunter2secret")
    record = live(tmp_path, {"app/settings.py": SETTINGS}, settings="app.settings:Settings")
    assert only(record).message.startswith(
        'app.settings:Settings cannot be made: pydantic_settings.exceptions.SettingsError: error parsing value for field "many"'
    )
    assert "hunter2secret" not in record.to_json()


def test_a_setting_that_is_named_like_a_secret_is_told_as_missing(tmp_path: Path) -> None:
    text = "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    OPENAI_API_KEY: str\nS()\n"
    assert "ValidationError: missing for OPENAI_API_KEY (" in only(live(tmp_path, {"app/s.py": text}, "app.s")).message


def test_an_error_in_a_library_names_the_line_of_the_library_that_was_asked_for(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "site-packages"
    write_files(
        site,
        {"other.py": "def ask():\n    1 / 0\n", "asked/__init__.py": "", "asked/a.py": "import other\nother.ask()\n"},
    )
    setup = f"import sys\ndef ready():\n    sys.path.append({str(site)!r})\n"
    record = live(tmp_path / "p", {"ready.py": setup}, "asked.a", setup="ready:ready")
    assert only(record).message == (
        "importing asked.a raises ZeroDivisionError: division by zero (other.py:2, from asked/a.py:2)"
    )


def test_settings_made_at_import_are_told_without_their_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "x")
    monkeypatch.setenv("APP_PORT", "hunter2secret")
    record = live(tmp_path, {"app/settings.py": f"{SETTINGS}\nsettings = Settings()\n"}, "app.settings")
    assert only(record).message.startswith(
        "importing app.settings raises pydantic_core._pydantic_core.ValidationError: int_parsing for port ("
    )
    assert "hunter2secret" not in record.to_json()


# Costs


BUSY = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"


def test_an_import_over_its_budget_is_named_with_what_it_took(tmp_path: Path) -> None:
    files = {"heavy.py": "import light\n" + BUSY.format(0.3), "light.py": "", "after.py": "import heavy\n"}
    record = live(tmp_path, files, "light", "heavy", "after", budget_cpu=0.25)
    finding = only(record)
    assert (finding.rule, finding.severity) == ("GR-LIVE-006", "error")
    assert finding.message.startswith("importing heavy takes 0.3")
    assert " -X importtime -c 'import heavy'" in finding.verify
    assert "most: heavy 0.3" in note(record)


def test_all_imports_together_have_a_budget(tmp_path: Path) -> None:
    files = {"one.py": BUSY.format(0.1), "two.py": BUSY.format(0.2)}
    assert rules(live(tmp_path, files, "one", "two", budget_cpu=60.0, budget_cpu_total=60.0)) == []
    record = live(tmp_path, files, "one", "two", budget_cpu_total=0.25)
    assert only(record).message.startswith("all imports take 0.3")
    assert "more than 0.25 s; most: two 0.2" in only(record).message


# Alone


def test_an_import_that_works_only_behind_another_is_found(tmp_path: Path) -> None:
    files = {
        "app/a.py": "import app.b\nready = True\n",
        "app/b.py": "import app.a\napp.a.ready\n",
        "app/c.py": "import concurrent\nconcurrent.futures\n",
        "app/d.py": "import concurrent.futures\n",
        "app/e.py": "1 / 0\n",
    }
    names = ("app.d", "app.c", "app.e")
    assert rules(live(tmp_path, files, *names)) == ["002"]
    record = live(tmp_path, files, *names, isolate=True)
    assert [(rule, text.partition(":")[0]) for rule, text in told(record)] == [
        ("002", "importing app.e raises ZeroDivisionError"),
        ("007", "importing app.c fails alone and works behind the others"),
    ]


def test_libraries_that_two_modules_load_are_shared_and_the_project_s_own_never(tmp_path: Path) -> None:
    loaded = "import json, sys\nassert 'app.shared' not in sys.modules\nimport app.shared\n"
    files = {"app/shared.py": "", **{f"app/m{n}.py": loaded + "import email.message\n" for n in range(4)}}
    files["app/last.py"] = "import sys\nassert 'email.message' in sys.modules\n"
    names = tuple(f"app.m{n}" for n in range(4))
    assert told(live(tmp_path, files, *names, "app.last", isolate=True)) == []


# What surrounds them


def test_a_file_in_place_of_a_library_is_found(tmp_path: Path) -> None:
    files = {
        "main.py": "x = 1\n",
        "Procfile": "web: uvicorn main:app\n",
        "httpx.py": "x = 1\n",
        "sched.py": "x = 1\n",
        "redis/readme.txt": "a folder without __init__ hides nothing",
        "tests/__init__.py": "",
        "this.py": "",
    }
    write_files(tmp_path, files)
    config = Config(imports=ImportsConfig(critical=("json",)))
    record = run_gate(tmp_path, config=config, select=["GR-LIVE"])
    # What the static check sees in the same file is not told twice.
    assert {(f.rule, f.path) for f in record.findings} == {("GR-LIVE-008", "httpx.py")}
    assert only(record).message == "httpx.py takes the place of the installed 'httpx' (httpx/__init__.py)"


def test_the_project_itself_installed_hides_nothing(tmp_path: Path) -> None:
    files = {"pyproject.toml": '[project]\nname = "httpx"\n', "httpx/__init__.py": "", "main.py": ""}
    assert told(live(tmp_path, files, "json")) == []


def test_a_stray_file_is_seen_by_imports_although_the_child_itself_needs_the_name(tmp_path: Path) -> None:
    files = {
        "signal.py": "1 / 0\n",
        "select.py": "",
        "uses.py": "import signal\n",
        "main.py": "",
        "Procfile": "x: uvicorn main:x\n",
    }
    for isolate in (False, True):
        record = live(tmp_path, files, "uses", isolate=isolate)
        assert "importing uses raises ZeroDivisionError: division by zero (signal.py:1)" in [
            text for _, text in told(record)
        ]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment of its own, that sees the libraries of this one."""
    home = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    site = next(home.glob("lib/python3*/site-packages"))
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "others.pth").write_text(f"{here}\n", encoding="utf-8")
    for name, version, needs in (
        (
            "left",
            "1.0",
            ["right>=2", "absent_one", "extra_one; extra == 'x'", "old; python_version < '3'", "httpx>=0.1"],
        ),
        ("right", "1.5", ["left==1.*"]),
    ):
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        text = head + "".join(f"Requires-Dist: {need}\n" for need in needs) + "\nRequires-Dist: not-a-header\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
    return home


def test_requirements_that_are_not_met_are_warnings_that_can_be_allowed(tmp_path: Path, environment: Path) -> None:
    project = tmp_path / "project"
    python = str(environment / "bin" / "python")
    record = live(project, {}, "json", python=python)
    mine = [text for rule, text in told(record) if rule == "009" and text.startswith(("left", "right"))]
    assert mine == [
        "left 1.0 requires absent_one, which is not installed",
        "left 1.0 requires right>=2, 1.5 is installed",
    ]
    assert {f.severity.value for f in record.findings} == {"warning"}
    record = live(project, {}, "json", python=python, allow_conflicts=("right", "Absent.One"))
    assert [text for rule, text in told(record) if rule == "009" and text.startswith("left")] == []


def test_the_installed_versions_of_this_environment_agree_with_pip(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    record = live(tmp_path, {}, "json")
    found = {text.split()[0].lower() for rule, text in told(record) if rule == "009"}
    if "No module named pip" not in done.stderr:
        assert found == {
            line.split()[0].lower()
            for line in done.stdout.splitlines()
            if " has requirement " in line or " requires " in line
        }


def test_a_library_that_is_named_itself_is_tried_before_it_is_shared(tmp_path: Path, environment: Path) -> None:
    site = next(environment.glob("lib/python3*/site-packages"))
    (site / "frail.py").write_text("import sys\nassert 'email.message' in sys.modules\n", encoding="utf-8")
    files = {f"app/m{n}.py": "import email.message\nimport frail\n" for n in range(3)}
    names = ("app.m0", "app.m1", "app.m2", "frail", "json")
    record = live(tmp_path / "project", files, *names, python=str(environment / "bin" / "python"), isolate=True)
    assert [text for rule, text in told(record) if rule != "009"] == [
        "importing frail fails alone and works behind the others: AssertionError (frail.py:2)"
    ]


# Interpreters


@pytest.mark.parametrize("version", OLDER)
def test_imports_run_under_the_project_s_interpreter(tmp_path: Path, version: str) -> None:
    found = [Path(folder, f"python{version}") for folder in os.get_exec_path()]
    found += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    usable = [path for path in found if path.exists() and "shims" not in str(path)]
    if not usable:
        pytest.skip(f"no Python {version} here")
    files = {
        "app/version.py": f"import sys\nassert sys.version_info[:2] == ({version.replace('.', ', ')})\n",
        "app/bad.py": "1 / 0\n",
        "app/crash.py": "import os\nos.abort()\n",
    }
    for isolate in (False, True):
        record = live(tmp_path, files, "app.version", "app.bad", "app.crash", python=str(usable[0]), isolate=isolate)
        assert [(rule, text.split(" (")[0]) for rule, text in told(record)] == [
            ("002", "importing app.bad raises ZeroDivisionError: division by zero"),
            ("003", "importing app.crash kills the process by SIGABRT"),
        ]
        assert f"(Python {version}." in note(record)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\nexit 3\n", "it ended with status 3: nothing on standard error"),
        ("#!/bin/sh\necho no python here >&2\nexit 1\n", "it ended with status 1: no python here"),
        ("#!/bin/sh\necho 3.11\n", "it said nothing, so it is no Python"),
        ("not a program", "it ended with status 127: Exec format error"),
    ],
)
def test_what_is_no_python_is_no_failure_of_the_imports_and_no_pass(tmp_path: Path, script: str, said: str) -> None:
    fake = tmp_path / "env" / "bin" / "python"
    write_files(tmp_path, {"env/bin/python": script, "env/pyvenv.cfg": "version = 3.11.4\n"})
    fake.chmod(0o755)
    record = live(tmp_path, {}, "json", python="env/bin/python")
    assert (record.verdict, record.exit_code, record.findings) == ("unknown", 3, ())
    assert record.checks[0].reason == f"{fake}: {said}"


# The configuration


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('critical = ["a b"]', "imports.critical: 'a b': write a module, or module:attribute"),
        ('optional = ["a:b:c"]', "imports.optional: 'a:b:c': write a module, or module:attribute"),
        ('setup = "django"', "imports.setup: 'django': write django:mysite.settings, or module:function"),
        ('forbid = ["networks"]', "imports.forbid: 'networks': input should be 'network', 'subprocess'"),
        ("budget_cpu = 0", "imports.budget_cpu: 0.0: must be above 0 and at most 3600 seconds"),
        ("deadline = 0.5", "imports.deadline: 0.5: must be 1 to 3600 seconds"),
        ("deadline = 3601", "imports.deadline: 3601.0: must be 1 to 3600 seconds"),
        ("isolated = true", "imports.isolated: no such key; did you mean 'isolate'?"),
        ('[tool.guardrails.environment]\nsettings = "app"', "environment.settings: 'app': write module:Class"),
    ],
)
def test_a_mistake_in_the_configuration_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.guardrails.imports]\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, environ={})
    (problem,) = caught.value.problems
    place, _, rest = problem.partition(": tool.guardrails.")
    assert (place, rest[: len(said)]) == (f"pyproject.toml:{2 + text.count(chr(10))}", said)


def test_the_environment_configures_the_imports_too(tmp_path: Path) -> None:
    environ = {
        "GUARDRAILS_IMPORTS__CRITICAL": '["json", "os:path"]',
        "GUARDRAILS_IMPORTS__FORBID": '["network"]',
        "GUARDRAILS_IMPORTS__DEADLINE": "30",
        "GUARDRAILS_IMPORTS__ISOLATE": "true",
        "GUARDRAILS_ENVIRONMENT__SETTINGS": "app.settings:Settings",
    }
    config = load_config(tmp_path, environ=environ)
    assert config.imports == ImportsConfig(
        critical=("json", "os:path"), forbid=("network",), deadline=30.0, isolate=True
    )
    assert config.environment.settings == "app.settings:Settings"


# The gate around them


def test_static_executes_nothing(tmp_path: Path) -> None:
    files = {"writes.py": "open('written', 'w').close()", "app.py": ""}
    write_files(tmp_path, files)
    config = Config(imports=ImportsConfig(critical=("writes",)))
    record = run_gate(tmp_path, config=config, static=True)
    check = next(check for check in record.checks if check.id == "GR-LIVE")
    assert (check.status, check.reason) == ("skipped", "--static executes nothing of the project")
    assert not (tmp_path / "written").exists()
    assert run_gate(tmp_path, config=config).exit_code == 0
    assert (tmp_path / "written").exists()


def test_without_configuration_there_is_no_live_check(tmp_path: Path) -> None:
    write_files(tmp_path, {"app.py": "x = 1\n"})
    assert "GR-LIVE" not in [check.id for check in run_gate(tmp_path).checks]
    record = run_gate(tmp_path, select=["GR-LIVE"])
    assert (record.verdict, record.exit_code, record.checks[0].status) == ("unknown", 3, "skipped")


def test_a_run_that_leaves_nothing_leaves_no_byte_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    write_files(tmp_path, {"app.py": "x = 1\n"})
    for record in (False, True):
        config = Config(imports=ImportsConfig(critical=("app",)), preflight=PreflightConfig(record=record))
        assert run_gate(tmp_path, config=config).exit_code == 0
        assert (tmp_path / "__pycache__").exists() is record


def test_the_command_says_all_of_it(tmp_path: Path) -> None:
    write_files(tmp_path, {"app.py": "1 / 0\n", "pyproject.toml": '[tool.guardrails.imports]\ncritical = ["app"]\n'})
    done = subprocess.run(
        [sys.executable, "-m", "guardrails", "preflight", "--no-record", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (
        "error GR-LIVE-002  app.py:1\n  importing app raises ZeroDivisionError: division by zero (app.py:1)"
        in done.stdout
    )
    assert live_findings.__doc__
