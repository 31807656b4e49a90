"""Django: a project on SQLite and on PostgreSQL, served by `runserver`; what breaks it arrives by our encoder.

There is no adapter: `JsonResponse(encoder=)` and `JSONField(encoder=)` take `jsonsafe.JSONEncoder` as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from guardrails import jsonsafe
from tests.servers import running

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

FILES = {
    "manage.py": """\
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
""",
    "settings.py": """\
import os
SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "views"
INSTALLED_APPS = ["store"]
PORT = os.environ.get("POSTGRES_PORT")
POSTGRES = {"ENGINE": "django.db.backends.postgresql", "NAME": "django", "USER": "postgres", "HOST": "127.0.0.1"}
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}
DATABASES = {"default": {**POSTGRES, "PORT": PORT} if PORT else SQLITE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["stderr"]}},
}
""",
    "store/__init__.py": "",
    "store/migrations/__init__.py": "",
    "store/models.py": """\
from django.db import models
from guardrails import jsonsafe


class ForJsonb(jsonsafe.JSONEncoder):
    profile = "pg"

class Event(models.Model):
    safe = models.JSONField(encoder=jsonsafe.JSONEncoder, blank=True, null=True)
    jsonb = models.JSONField(encoder=ForJsonb, blank=True, null=True)
    plain = models.JSONField(blank=True, null=True)
""",
    "views.py": """\
import datetime as dt, decimal, json, math, pathlib, threading, uuid
from django.db import connection
from django.forms import modelform_factory
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.translation import gettext_lazy
from guardrails import jsonsafe
from store.models import Event

CASES = {
    "uuid": uuid.UUID(int=1),
    "datetime": dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC),
    "decimal": decimal.Decimal("1.10"),
    "path": pathlib.PurePosixPath("/srv/a"),
    "set": {2, 1},
    "nan": math.nan,
    "odd-object": threading.Lock(),
    "lone-surrogate": "a\\ud800",
    "tuple-key": {(1, 2): 3},
    "lazy-text": gettext_lazy("Name"),
    "nul": "a\\0",
}

def ours(request, kind):
    return JsonResponse({"value": CASES[kind]}, encoder=jsonsafe.JSONEncoder, status=202)

def hosts(request, kind):
    return JsonResponse({"value": CASES[kind]})

def listed(request):
    ascii = {"ensure_ascii": False}
    return JsonResponse([CASES["set"], "é"], encoder=jsonsafe.JSONEncoder, safe=False, json_dumps_params=ascii)

def stored(request, field, kind):
    event = Event(**{field: {"value": CASES[kind]}})
    event.full_clean()
    event.save()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT CAST({field} AS text) FROM store_event WHERE id = {event.pk}")
        (text,) = cursor.fetchone()
    event.refresh_from_db()
    assert getattr(event, field) == json.loads(text)
    return HttpResponse(text)

def found(request, kind):
    event = Event.objects.create(safe={"value": CASES[kind]})
    same = Event.objects.filter(pk=event.pk, safe__value=CASES[kind])
    return HttpResponse(str(same.count()))

def in_bulk(request):
    event, = Event.objects.bulk_create([Event(safe=CASES["set"])])
    event.safe = CASES["tuple-key"]
    Event.objects.bulk_update([event], ["safe"])
    event.refresh_from_db()
    return JsonResponse(event.safe)

def form(request):
    bound = modelform_factory(Event, fields=["safe"])(instance=Event(safe={"value": CASES["set"]}))
    return HttpResponse(str(bound["safe"].value()))

urlpatterns = [
    path("ours/<kind>", ours), path("hosts/<kind>", hosts), path("listed", listed), path("bulk", in_bulk),
    path("form", form), path("stored/<field>/<kind>", stored), path("found/<kind>", found),
]
""",
}
WRITTEN: dict[str, object] = {
    "uuid": "00000000-0000-0000-0000-000000000001",
    "datetime": "2026-01-02T03:04:05.678901+00:00",
    "decimal": "1.10",
    "path": "/srv/a",
    "set": [1, 2],
    "nan": None,
    "odd-object": {"$lost": "opaque", "$type": "_thread.lock"},
    "lone-surrogate": "a\\ud800",
    "tuple-key": {"[1,2]": 3},
    "lazy-text": "Name",
    "nul": "a\0",
}
# What `DjangoJSONEncoder` does not write.
BREAKS_RESPONSES = {"path", "set", "odd-object", "tuple-key"}
# What a field without an encoder does not store, and what each database refuses besides.
BREAKS_FIELDS = {*BREAKS_RESPONSES, "uuid", "datetime", "decimal", "lazy-text", "nan"}
REFUSED = {"sqlite": set[str](), "postgres": {"lone-surrogate", "nul"}}


class Project(NamedTuple):
    """A Django project on disk, its database, and what its commands find in their environment."""

    folder: Path
    database: str
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder, environment = tmp_path_factory.mktemp("project"), {}
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE django")
        environment["POSTGRES_PORT"] = str(urlsplit(url).port)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    project = Project(folder, request.param, environment)
    project.manage("makemigrations", "store")
    project.manage("migrate")
    return project


@pytest.fixture(scope="module")
def client(project: Project) -> Iterator[httpx.Client]:
    command = [sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:0"]
    with running(command, project.folder, "Quit the server", environment=project.environment) as log:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8"))
        assert found is not None
        with httpx.Client(base_url=found[0], trust_env=False) as client:
            yield client


def values(client: httpx.Client, view: str, kinds: Collection[str] = WRITTEN) -> dict[str, object]:
    """What the view answers, kind by kind, as strictly parsed JSON."""
    return {kind: jsonsafe.loads(client.get(f"/{view}/{kind}").content)["value"] for kind in kinds}


def failing(client: httpx.Client, view: str) -> set[str]:
    return {kind for kind in WRITTEN if client.get(f"/{view}/{kind}").status_code == 500}


pytestmark = pytest.mark.slow  # a Django project is made, migrated and served


def test_a_json_response_writes_every_value(client: httpx.Client) -> None:
    assert values(client, "ours") == WRITTEN
    answer = client.get("/ours/uuid")
    assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")


def test_a_plain_json_response_answers_500_or_what_no_browser_reads(client: httpx.Client) -> None:
    assert failing(client, "hosts") == BREAKS_RESPONSES
    assert client.get("/hosts/nan").text == '{"value": NaN}'
    assert client.get("/hosts/lone-surrogate").text == '{"value": "a\\ud800"}'


def test_a_json_response_takes_a_list_and_the_layout_of_the_caller(client: httpx.Client) -> None:
    assert client.get("/listed").text == '[[1, 2], "é"]'


def test_a_json_field_for_jsonb_stores_every_value(client: httpx.Client) -> None:
    assert values(client, "stored/jsonb") == {**WRITTEN, "nul": "a\\u0000"}


def test_a_json_field_stores_all_that_the_database_takes(client: httpx.Client, project: Project) -> None:
    taken = {kind: value for kind, value in WRITTEN.items() if (project.database, kind) != ("postgres", "nul")}
    assert failing(client, "stored/safe") == WRITTEN.keys() - taken.keys()
    assert values(client, "stored/safe", taken) == taken


def test_a_plain_json_field_stores_few_values(client: httpx.Client, project: Project) -> None:
    assert failing(client, "stored/plain") == BREAKS_FIELDS | REFUSED[project.database]


@pytest.mark.parametrize("kind", ["uuid", "datetime", "decimal", "path"])
def test_a_stored_value_is_found_by_the_python_object(client: httpx.Client, kind: str) -> None:
    assert client.get(f"/found/{kind}").text == "1"


def test_values_are_written_in_bulk(client: httpx.Client) -> None:
    assert client.get("/bulk").json() == {"[1,2]": 3}


def test_a_form_shows_the_field(client: httpx.Client) -> None:
    assert client.get("/form").text == '{"value": [1, 2]}'


def test_a_migration_names_the_public_class(project: Project) -> None:
    """A migration outlives every release, so it must not hold the name of an inner module."""
    text = (project.folder / "store" / "migrations" / "0001_initial.py").read_text(encoding="utf-8")
    assert "encoder=guardrails.jsonsafe.JSONEncoder" in text
    assert "encoder=store.models.ForJsonb" in text
    assert project.manage("makemigrations", "--check", "--dry-run") == "No changes detected\n"
