"""SQLAlchemy on SQLite and on a real PostgreSQL: the guide's engine stores what the default one loses."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import JSON, Column, Engine, Integer, MetaData, Table, create_engine, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DataError, StatementError

from tests.middleware.guide import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

U = uuid.UUID(int=7)
EVENT = {
    "id": U,
    "at": dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC),
    "price": Decimal("0.10"),
    "tags": {"a"},
    "wrong": float("nan"),
    "text": "cut\0here",
    "half": "\ud800",
    3: "three",
}
STORED = {
    "id": str(U),
    "at": "2026-11-20T09:30:00+00:00",
    "price": "0.10",
    "tags": ["a"],
    "wrong": None,
    "text": "cut\\u0000here",
    "half": "\\ud800",
    "3": "three",
}


@pytest.fixture(scope="module")
def postgres_for_sqlalchemy(postgres_url: str) -> str:
    return postgres_url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/events.db"
    address: str = request.getfixturevalue("postgres_for_sqlalchemy")
    return address


def table(engine: Engine, kind: Any) -> Table:
    """A new table `events` with one column of `kind`."""
    found = Table("events", MetaData(), Column("id", Integer, primary_key=True), Column("data", kind))
    found.drop(engine, checkfirst=True)
    found.create(engine)
    return found


@pytest.fixture
def engine(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """What the guide's lines make of DATABASE_URL."""
    monkeypatch.setenv("DATABASE_URL", url)
    names: dict[str, Any] = {}
    exec(recipe("SQLAlchemy"), names)
    yield names["engine"]
    names["engine"].dispose()


@pytest.fixture
def plain(url: str) -> Iterator[Engine]:
    """The control: SQLAlchemy as it comes."""
    engine = create_engine(url)
    yield engine
    engine.dispose()


def kinds(engine: Engine) -> list[Any]:
    return [JSON(), JSONB()] if engine.dialect.name == "postgresql" else [JSON()]


def test_an_event_with_odd_values_is_stored_and_read(engine: Engine) -> None:
    for kind in kinds(engine):
        events = table(engine, kind)
        with engine.begin() as connection:
            connection.execute(insert(events).values(data=EVENT))
            assert connection.execute(select(events.c.data)).scalar_one() == STORED


def test_what_was_stored_is_found_by_its_value(engine: Engine) -> None:
    events = table(engine, kinds(engine)[-1])
    with engine.begin() as connection:
        connection.execute(insert(events), [{"data": EVENT}, {"data": {"id": "another"}}])
        query = select(events.c.id).where(events.c.data["id"].as_string() == str(U))
        assert connection.execute(query).scalars().all() == [1]


def test_what_is_read_keeps_integers_that_orjson_would_round(engine: Engine) -> None:
    events = table(engine, JSON())
    with engine.begin() as connection:
        connection.exec_driver_sql(f"insert into events (id, data) values (1, '[{2**70 + 1}]')")
        assert connection.execute(select(events.c.data)).scalar_one() == [2**70 + 1]


def test_sqlalchemys_default_raises_on_the_first_uuid(plain: Engine) -> None:
    """The control."""
    events = table(plain, kinds(plain)[-1])
    # psycopg writes the value itself, and SQLAlchemy hands its error on as it is.
    refusals = (StatementError, TypeError)
    with plain.begin() as connection, pytest.raises(refusals, match="UUID is not JSON serializable"):
        connection.execute(insert(events).values(data=EVENT))


@pytest.mark.parametrize(
    ("value", "refusal"),
    [("cut\0here", r"\\u0000 cannot be converted to text"), ("\ud800", "surrogate"), (float("nan"), "NaN")],
    ids=["nul", "surrogate", "nan"],
)
def test_jsonb_refuses_what_the_pg_profile_keeps_from_it(postgres_url: str, value: Any, refusal: str) -> None:
    """The control: the standard library's JSON, handed to PostgreSQL."""
    with psycopg.connect(postgres_url) as connection, pytest.raises(psycopg.DataError, match=refusal):
        connection.execute("select %s::jsonb", [json.dumps({"k": value})])


def test_the_default_profile_is_refused_by_jsonb_and_the_guides_is_not(postgres_url: str) -> None:
    """Why the recipe says `pg`: U+0000 is good JSON."""
    from guardrails import jsonsafe

    engine = create_engine(
        postgres_url.replace("postgresql:", "postgresql+psycopg:"), json_serializer=jsonsafe.dumps_str
    )
    events = table(engine, JSONB())
    with engine.begin() as connection, pytest.raises(DataError, match="cannot be converted to text"):
        connection.execute(insert(events).values(data={"k": "cut\0here"}))
    engine.dispose()
