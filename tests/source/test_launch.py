"""How a project is started: every form of start command, and the folder that each puts first on sys.path."""

from __future__ import annotations

import textwrap

import pytest

from guardrails.source.launch import Launch, python_of_image, read_launches

# What the project has: folders, and Python files.
THERE = {
    "",
    "app",
    "app/main.py",
    "main.py",
    "manage.py",
    "jobs",
    "jobs/run.py",
    "src",
    "src/svc",
    "backend",
    "backend/app",
    "backend/app/main.py",
    "backend/jobs",
    "backend/jobs/run.py",
    "deploy",
    "docker",
}


def launches(path: str, text: str) -> list[Launch]:
    return list(read_launches(path, textwrap.dedent(text), THERE.__contains__))


def folders(path: str, text: str) -> list[str]:
    return [launch.folder for launch in launches(path, text)]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uvicorn app.main:app --port 80", [""]),
        ("gunicorn -w 4 app.main:app -b 0.0.0.0:8000", [""]),
        ("gunicorn --chdir backend app.main:app", ["backend"]),
        ("gunicorn --chdir=backend app.main:app", ["backend"]),
        ("uvicorn --app-dir ./src svc:app", ["src"]),
        ("celery --workdir backend -A app worker", ["backend"]),
        ("celery -A app worker -l info", [""]),
        ("taskiq worker app.main:broker", [""]),
        ("python -m app.main", [""]),
        ("python3.12 -u main.py", [""]),
        ("python jobs/run.py --fast", ["jobs"]),
        ("python jobs/run.py -m fast", ["jobs"]),
        ("python -c 'print(1)' jobs/run.py", [""]),
        ("/usr/local/bin/python ./jobs/run.py", ["jobs"]),
        ("exec poetry run uvicorn app.main:app", [""]),
        ("uv run -- fastapi run app/main.py", [""]),
        ("PORT=80 WORKERS=2 gunicorn app.main:app", [""]),
        ("tini -g -- gunicorn app.main:app", [""]),
        ("newrelic-admin run-program gunicorn app.main:app", [""]),
        ("cd backend && uvicorn app.main:app", ["backend"]),
        ("cd backend; python jobs/run.py", ["backend/jobs"]),
        ("alembic upgrade head && uvicorn app.main:app", [""]),
        ("python manage.py migrate && gunicorn app.main:app", ["", ""]),
        ('sh -c "cd backend && exec uvicorn app.main:app"', ["backend"]),
        ("bash -c 'uvicorn app.main:app | tee log'", [""]),
        ("npm start", []),
        ("", []),
        ("echo 'it\\'s unbalanced", []),
        ("   ", []),
    ],
)
def test_a_start_command_puts_a_folder_first(command: str, expected: list[str]) -> None:
    assert folders("Procfile", f"web: {command}\n") == expected


def test_a_procfile_names_its_lines() -> None:
    text = "# comment\nweb: uvicorn app.main:app\nworker: celery -A app worker\nrelease: ./release.sh\n"
    assert launches("backend/Procfile", text) == [
        Launch("backend", "backend/Procfile:2", "uvicorn app.main:app"),
        Launch("backend", "backend/Procfile:3", "celery -A app worker"),
    ]


IMAGE = "FROM python:3.12-slim\nWORKDIR /srv\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('COPY . .\nCMD ["uvicorn", "app.main:app"]', [""]),
        ("COPY . /srv/\nCMD uvicorn app.main:app", [""]),
        ("COPY ./app /srv/app\nCMD uvicorn app.main:app", [""]),
        ("COPY app ./app\nENTRYPOINT exec uvicorn app.main:app", [""]),
        ("COPY backend/ .\nCMD uvicorn app.main:app", ["backend"]),
        ("COPY backend /srv\nCMD python jobs/run.py", ["backend/jobs"]),
        ("COPY --chown=1000 backend .\nCMD uvicorn app.main:app", ["backend"]),
        ("COPY . .\nWORKDIR backend\nCMD uvicorn app.main:app", ["backend"]),
        ("COPY . .\nWORKDIR /srv/backend\nCMD uvicorn app.main:app", ["backend"]),
        ("COPY . .\nCMD cd backend && uvicorn app.main:app", ["backend"]),
        ("COPY . .\nCMD python /srv/jobs/run.py", ["jobs"]),
        ('COPY backend .\nCMD ["python", "/srv/jobs/run.py"]', ["backend/jobs"]),
        ("COPY . .\nCMD gunicorn --chdir /srv/backend app.main:app", ["backend"]),
        ("COPY . .\nENV PYTHONPATH=/srv/src\nCMD npm start", ["src"]),
        ('COPY . .\nENV PYTHONPATH="/srv/src:/srv/backend" X=1', ["src", "backend"]),
        ("COPY . .\nENV PYTHONPATH /srv/src:$PYTHONPATH", ["src"]),
        ("COPY . .\nENV PYTHONPATH=/opt/other", []),
        ("COPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\nCMD python main.py", [""]),
        ("# CMD uvicorn a:b\nCOPY . .\nCMD uvicorn \\\n  # a comment\n  app.main:app \\\n  --port 80", [""]),
        ("COPY . .\nCMD []", []),
        ("COPY . .\nCMD", []),
        ("COPY .\nADD\nCMD uvicorn app.main:app", []),
        ("CMD uvicorn app.main:app", []),
        ('COPY . .\nCMD ["uvicorn", "app.main:app"', [""]),
        ("COPY . .\nCMD " + "[" * 5000, []),
        ("copy . .\ncmd uvicorn app.main:app", [""]),
    ],
)
def test_a_dockerfile_says_what_of_the_project_is_started_and_where(lines: str, expected: list[str]) -> None:
    assert folders("Dockerfile", IMAGE + lines) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            """
            FROM python:3.12 AS builder
            WORKDIR /build
            COPY backend .
            RUN pip install .
            FROM python:3.12-slim
            WORKDIR /run
            COPY --from=builder /build /run
            CMD uvicorn app.main:app
            """,
            ["backend"],
        ),
        (
            """
            FROM python:3.12 AS base
            WORKDIR /code
            COPY backend .
            FROM base AS web
            CMD uvicorn app.main:app
            FROM base AS worker
            CMD python jobs/run.py
            """,
            ["backend", "backend/jobs"],
        ),
        (
            """
            FROM node:22 AS pages
            COPY web .
            FROM python:3.12
            COPY --from=pages /dist /dist
            COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/
            CMD uvicorn app.main:app
            """,
            [],
        ),
    ],
    ids=["copied-from-a-stage", "built-on-a-stage", "stages-without-python"],
)
def test_a_dockerfile_of_several_stages_is_followed(text: str, expected: list[str]) -> None:
    assert folders("Dockerfile", text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Dockerfile", [""]),
        ("Dockerfile.prod", [""]),
        ("deploy/api.dockerfile", [""]),
        ("docker/Dockerfile", [""]),
        # The same text beside the service that it starts: the context is that folder.
        ("backend/Dockerfile", [""]),
    ],
)
def test_a_dockerfile_is_known_by_its_name(path: str, expected: list[str]) -> None:
    assert folders(path, IMAGE + "COPY . .\nCMD python main.py\n") == expected


def test_the_build_context_is_where_the_target_of_the_command_is() -> None:
    text = IMAGE + "COPY . .\nCMD python jobs/run.py\n"
    there = THERE - {"jobs", "jobs/run.py"}
    found = [launch.folder for launch in read_launches("backend/Dockerfile", text, there.__contains__)]
    assert found == ["backend/jobs"]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("command: uvicorn app.main:app", [""]),
        ('command: ["uvicorn", "app.main:app"]', [""]),
        ("command: [uvicorn, app.main:app]", [""]),
        ('command: "uvicorn app.main:app --port 80"', [""]),
        ("command:\n              - uvicorn\n              - app.main:app", [""]),
        ("build: ./backend\n            command: python jobs/run.py", ["jobs"]),
        ("entrypoint: sh -c 'cd backend && uvicorn app.main:app'", ["backend"]),
        ("command: npm start", []),
        ("command:", []),
    ],
)
@pytest.mark.parametrize("name", ["compose.yaml", "docker-compose.yml", "docker-compose.prod.yml"])
def test_a_compose_file_s_commands_are_read(name: str, service: str, expected: list[str]) -> None:
    text = f"""\
        services:
          web:
            image: x
            {service}
          db:
            image: postgres
        """
    assert folders(name, text) == expected


def test_a_service_that_compose_builds_elsewhere_starts_there() -> None:
    text = "services:\n  web:\n    build:\n      context: ./backend\n    command: uvicorn app.main:app\n"
    there = THERE - {"app", "app/main.py"}
    assert [x.folder for x in read_launches("compose.yaml", text, there.__contains__)] == ["backend"]


def test_scripts_and_makefiles_are_read_where_their_target_exists() -> None:
    assert folders("Makefile", "run:\n\t@uvicorn app.main:app --reload\n\techo uvicorn\n") == [""]
    assert folders("backend/start.sh", "#!/bin/sh\nset -e\nexec python jobs/run.py\n") == ["jobs"]
    assert folders("deploy/start.sh", "uvicorn nowhere.main:app\npython gone.py\n") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("prepend_sys_path = .", [""]),
        ("prepend_sys_path=backend", ["backend"]),
        ("# prepend_sys_path = .", []),
        ("script_location = migrations", []),
    ],
)
def test_alembic_names_a_folder(line: str, expected: list[str]) -> None:
    assert folders("alembic.ini", f"[alembic]\n{line}\n") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM python:3.12", "3.12"),
        ("FROM python:3.11.7-slim-bookworm AS base", "3.11"),
        ("FROM --platform=linux/amd64 docker.io/library/python:3.10-alpine", "3.10"),
        ("FROM python:3.9 AS old\nFROM python:3.13", "3.13"),
        ("from python:3.12", "3.12"),
        ("FROM python:3", None),
        ("FROM python:latest", None),
        ("FROM node:22", None),
        ("ARG V=3.12\nFROM python:${V}", None),
        ("# FROM python:3.12", None),
        ("", None),
    ],
)
def test_the_python_of_an_image_is_that_of_its_last_stage(text: str, expected: str | None) -> None:
    assert python_of_image(text) == expected


def test_other_files_start_nothing() -> None:
    assert launches("README.md", "    uvicorn app.main:app\n") == []
    assert launches("config.yaml", "  command: uvicorn app.main:app\n") == []
