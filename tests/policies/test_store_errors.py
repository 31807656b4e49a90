"""Redis, PostgreSQL, SQLite, SQLAlchemy, Django, the real ones: what their errors say, and what is safe to repeat."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry as RedisRetry
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from guardrails.policies import (
    FAILURE,
    IGNORED,
    SUCCESS,
    Guard,
    Outcome,
    Retry,
    outcome_of,
    rolled_back,
    transient,
    untouched,
)
from tests.servers import binary, free_port, serving
from tests.support import ROOT, need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def met(function: Callable[..., Any], *args: Any) -> Any:
    """What a call came to: its value or its error."""
    try:
        return function(*args)
    except Exception as exc:
        return exc


# Redis.

ONCE: dict[str, Any] = {"retry": RedisRetry(NoBackoff(), 0), "socket_timeout": 5}


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that the tests may set up badly."""
    server = binary("redis-server", "what Redis answers when it cannot")
    command = [server, "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with serving(command, tmp_path_factory.mktemp("redis"), "Ready to accept connections") as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Sends one command with a real client of its own, plain or asynchronous."""

    def sync(url: str, *command: Any, **said: Any) -> Any:
        with redis.Redis.from_url(url, **{**ONCE, **said}) as client:
            return client.execute_command(*command)

    async def asynchronous(url: str, *command: Any, **said: Any) -> Any:
        options = {**ONCE, "retry": redis.asyncio.retry.Retry(NoBackoff(), 0), **said}
        async with redis.asyncio.Redis.from_url(url, **options) as client:
            return await client.execute_command(*command)

    return sync if request.param == "sync" else lambda *args, **said: asyncio.run(asynchronous(*args, **said))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("SET", "a", "b"), None),
        (("NO-SUCH-COMMAND",), IGNORED),
        (("LPUSH", "a", "b"), IGNORED),
        (("EVALSHA", "0" * 40, 0), IGNORED),
        (("AUTH", "nobody", "wrong"), IGNORED),
    ],
)
def test_what_redis_answers_is_told_apart(
    ask: Callable[..., Any], own_redis: str, command: tuple[Any, ...], expected: Outcome | None
) -> None:
    ask(own_redis, "SET", "a", "b")
    what = met(ask, own_redis, *command)
    assert (outcome_of(what), transient(what), untouched(what)) == (expected, False, False)


@pytest.mark.parametrize(
    ("setting", "bad", "good"),
    [("min-replicas-to-write", 1, 0), ("maxmemory", 1, 0)],
    ids=["too few replicas", "out of memory"],
)
def test_a_redis_that_takes_no_writes_is_a_failure(
    ask: Callable[..., Any], own_redis: str, setting: str, bad: int, good: int
) -> None:
    ask(own_redis, "CONFIG", "SET", setting, bad)
    try:
        what = met(ask, own_redis, "SET", "c", "d")
    finally:
        ask(own_redis, "CONFIG", "SET", setting, good)
    assert (outcome_of(what), transient(what)) == (FAILURE, True)


def test_a_replica_of_redis_is_a_failure_to_writers(ask: Callable[..., Any], own_redis: str) -> None:
    ask(own_redis, "REPLICAOF", "127.0.0.1", free_port())
    try:
        what = met(ask, own_redis, "SET", "c", "d")
    finally:
        ask(own_redis, "REPLICAOF", "NO", "ONE")
    assert (type(what).__name__, outcome_of(what)) == ("ReadOnlyError", FAILURE)


def test_a_redis_that_is_not_there_is_a_failure(ask: Callable[..., Any]) -> None:
    what = met(ask, f"redis://127.0.0.1:{free_port()}/0", "GET", "a")
    assert (outcome_of(what), transient(what)) == (FAILURE, True)


def test_a_redis_that_does_not_answer_in_time_is_a_failure(ask: Callable[..., Any], own_redis: str) -> None:
    what = met(lambda: ask(own_redis, "BLPOP", "nothing", 2, socket_timeout=0.05))
    assert (type(what).__name__, outcome_of(what), untouched(what)) == ("TimeoutError", FAILURE, False)


def test_a_full_pool_of_redis_connections_is_our_own_fault(own_redis: str) -> None:
    pool = redis.ConnectionPool.from_url(own_redis, max_connections=1, **ONCE)
    held = pool.get_connection()
    what = met(redis.Redis(connection_pool=pool).get, "a")
    pool.release(held)
    pool.disconnect()
    assert (type(what).__name__, outcome_of(what)) == ("MaxConnectionsError", IGNORED)


def test_a_redis_that_is_still_loading_has_done_nothing() -> None:
    what = redis.BusyLoadingError("loading")
    assert (outcome_of(what), untouched(what)) == (FAILURE, True)


# PostgreSQL, by psycopg and by SQLAlchemy.


@pytest.fixture(params=["psycopg", "psycopg async", "SQLAlchemy"])
def run(request: pytest.FixtureRequest, postgres_url: str) -> Callable[..., Any]:
    """Runs statements in one transaction on a connection of its own."""

    def plain(*statements: str, url: str = postgres_url) -> None:
        with psycopg.connect(url) as connection:
            for statement in statements:
                connection.execute(statement)

    async def asynchronous(*statements: str, url: str = postgres_url) -> None:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            for statement in statements:
                await connection.execute(statement)

    def mapped(*statements: str, url: str = postgres_url) -> None:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.execute(text(statement))
        finally:
            engine.dispose()

    return {
        "psycopg": plain,
        "psycopg async": lambda *args, **said: asyncio.run(asynchronous(*args, **said)),
        "SQLAlchemy": mapped,
    }[request.param]


ONE = "CREATE TEMPORARY TABLE one (id int PRIMARY KEY, name varchar(2) NOT NULL)"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (("SELECT 1",), None),
        ((ONE, "INSERT INTO one VALUES (1, 'a')", "INSERT INTO one VALUES (1, 'b')"), IGNORED),
        ((ONE, "INSERT INTO one VALUES (1, NULL)"), IGNORED),
        ((ONE, "INSERT INTO one VALUES (1, 'abc')"), IGNORED),
        (("SELECT no_such_column",), IGNORED),
        (("SELEC",), IGNORED),
        (("SELECT 1/0",), IGNORED),
        (("SET statement_timeout = 20", "SELECT pg_sleep(5)"), FAILURE),
        (("SELECT pg_terminate_backend(pg_backend_pid())",), FAILURE),
        (("SET TRANSACTION READ ONLY", "CREATE TABLE elsewhere (id int)"), FAILURE),
    ],
    ids=["good", "unique", "not null", "too long", "no column", "syntax", "data", "timeout", "terminated", "standby"],
)
def test_what_postgresql_answers_is_told_apart(
    run: Callable[..., Any], statements: tuple[str, ...], expected: Outcome | None
) -> None:
    what = met(run, *statements)
    assert (outcome_of(what), rolled_back(what)) == (expected, False)


def test_a_postgresql_that_is_not_there_is_a_failure(run: Callable[..., Any]) -> None:
    what = met(lambda: run("SELECT 1", url=f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"))
    assert outcome_of(what) == FAILURE


def test_too_many_connections_are_a_failure(postgres_url: str) -> None:
    with contextlib.ExitStack() as stack:
        while not isinstance(what := met(psycopg.connect, postgres_url), Exception):
            stack.enter_context(what)
    assert outcome_of(what) == FAILURE


@pytest.fixture
def accounts(postgres_url: str) -> Iterator[str]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE accounts (id int PRIMARY KEY, total int)")
        connection.execute("INSERT INTO accounts VALUES (1, 10), (2, 10)")
        yield postgres_url
        connection.execute("DROP TABLE accounts")


def engine_of(url: str, **said: Any) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), **said)


def test_a_deadlock_is_a_failure_and_the_whole_transaction_may_be_repeated(accounts: str) -> None:
    met_by: list[Any] = []
    both = threading.Barrier(2)
    engine = engine_of(accounts)
    guard = Guard.for_sql("db", retry=Retry(rolled_back, attempts=3))

    @guard
    def transfer(first: int, second: int) -> None:
        with engine.begin() as connection:
            take = text("UPDATE accounts SET total = total + 1 WHERE id = :id")
            connection.execute(take, {"id": first})
            with contextlib.suppress(threading.BrokenBarrierError):
                # Only the first time: a repeated transaction waits for nobody.
                both.wait(10) if not met_by else None
            try:
                connection.execute(take, {"id": second})
            except Exception as exc:
                met_by.append(exc)
                raise

    threads = [threading.Thread(target=transfer, args=ids) for ids in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with engine.begin() as connection:
        totals = connection.execute(text("SELECT total FROM accounts")).scalars().all()
    engine.dispose()
    assert [(type(one.orig).__name__, outcome_of(one), rolled_back(one)) for one in met_by] == [
        ("DeadlockDetected", FAILURE, True)
    ]
    assert list(totals) == [12, 12]
    assert guard.snapshot().circuit.failed == 1


def test_a_serialization_failure_may_be_repeated_and_a_violated_constraint_may_not(accounts: str) -> None:
    with psycopg.connect(accounts) as one, psycopg.connect(accounts) as two:
        for connection in (one, two):
            connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            connection.execute("SELECT sum(total) FROM accounts")
        one.execute("UPDATE accounts SET total = 1 WHERE id = 1")
        one.commit()
        what = met(two.execute, "UPDATE accounts SET total = 2 WHERE id = 1")
        two.rollback()
        other = met(two.execute, "INSERT INTO accounts VALUES (1, 1)")
        two.rollback()
    assert (outcome_of(what), rolled_back(what)) == (FAILURE, True)
    assert (outcome_of(other), rolled_back(other)) == (IGNORED, False)


def test_a_pool_of_psycopgs_that_is_full_is_our_own_fault_and_one_that_waits_for_the_server_is_not(
    postgres_url: str,
) -> None:
    pools = importlib.import_module(need("psycopg_pool", "what its pool raises"))
    with (
        pools.ConnectionPool(postgres_url, min_size=1, max_size=1, max_waiting=1, timeout=0.5) as pool,
        pool.connection(),
    ):
        waiting = threading.Thread(target=met, args=(pool.getconn,))
        waiting.start()
        until = time.monotonic() + 10
        while not pool.get_stats()["requests_waiting"]:
            assert time.monotonic() < until
            time.sleep(0.005)
        full = met(pool.getconn)
        waiting.join()
    closed = met(pool.getconn)
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with pools.ConnectionPool(url, min_size=1, timeout=0.05, reconnect_timeout=0.05) as pool:
        down = met(pool.getconn)
    found = [(type(error).__name__, outcome_of(error)) for error in (full, closed, down)]
    assert found == [("TooManyRequests", IGNORED), ("PoolClosed", IGNORED), ("PoolTimeout", FAILURE)]


def test_what_asyncpg_raises_is_told_apart(postgres_url: str) -> None:
    asyncpg = importlib.import_module(need("asyncpg", "what it raises"))

    async def run(*statements: str, url: str = postgres_url) -> Any:
        try:
            connection = await asyncpg.connect(url)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()
        except Exception as exc:
            return exc

    gone = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    errors = [
        asyncio.run(run(ONE, "INSERT INTO one VALUES (1, 'a')", "INSERT INTO one VALUES (1, 'b')")),
        asyncio.run(run("SELEC")),
        asyncio.run(run("SET statement_timeout = 20", "SELECT pg_sleep(5)")),
        asyncio.run(run("SELECT 1", url=f"{postgres_url}-none")),
    ]
    assert [outcome_of(error) for error in errors] == [IGNORED, IGNORED, FAILURE, IGNORED]
    # An OSError: the guard's own rule makes it a failure.
    assert outcome_of(asyncio.run(run("SELECT 1", url=gone))) is None


# SQLite, and what SQLAlchemy says itself.


def test_what_sqlite_answers_is_told_apart(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as one:
        one.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
        one.execute("INSERT INTO one VALUES (1)")
        with contextlib.closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as two:
            locked = met(two.execute, "CREATE TABLE two (id)")
        errors = [
            locked,
            met(sqlite3.connect, tmp_path / "no" / "folder"),
            met(one.execute, "INSERT INTO one VALUES (1)"),
            met(one.execute, "SELECT * FROM nowhere"),
            met(one.execute, "SELEC"),
            met(one.execute, "SELECT ?", ()),
        ]
    assert [outcome_of(error) for error in errors] == [FAILURE, FAILURE, IGNORED, IGNORED, IGNORED, IGNORED]


def test_what_sqlalchemy_says_itself_is_told_apart(tmp_path: Path) -> None:
    engine = create_engine(
        f"sqlite:///{tmp_path}/a.db", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    metadata = MetaData()
    table = Table("one", metadata, Column("id", Integer, primary_key=True))
    metadata.create_all(engine)
    with engine.begin() as connection:
        full = met(engine.connect)
        none = met(connection.execute(select(table)).one)
        connection.execute(insert(table), [{"id": 1}, {"id": 2}])
        many = met(connection.execute(select(table)).one)
        missing = met(connection.execute, text("SELECT * FROM nowhere"))
        twice = met(connection.execute, insert(table), {"id": 1})
    engine.dispose()
    found = [(type(error).__name__, outcome_of(error)) for error in (full, none, many, missing, twice, ArgumentError())]
    assert found == [
        ("TimeoutError", IGNORED),
        ("NoResultFound", SUCCESS),
        ("MultipleResultsFound", SUCCESS),
        ("OperationalError", IGNORED),
        ("IntegrityError", IGNORED),
        ("ArgumentError", IGNORED),
    ]


DJANGO = """
import sys
import django
from django.conf import settings
pg = dict(zip(("HOST", "PORT"), sys.argv[1].split(":")))
pg |= {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres"}
settings.configure(DATABASES={
    "default": pg,
    "gone": {**pg, "PORT": sys.argv[2]},
    "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
})
django.setup()
from django.core.exceptions import ValidationError
from django.db import connections, models
from guardrails.policies import outcome_of

class Fact(models.Model):
    name = models.CharField(max_length=2, unique=True)
    class Meta:
        app_label = "facts"

def met(function, *args, **said):
    try:
        return function(*args, **said)
    except Exception as exc:
        return exc

def told(what):
    outcome = outcome_of(what)
    print(type(what).__name__, outcome and outcome.kind)

for name in ("default", "sqlite"):
    with connections[name].schema_editor() as editor:
        editor.create_model(Fact)
    facts = Fact.objects.using(name)
    facts.create(name="a")
    told(met(facts.create, name="a"))
    told(met(facts.get, name="z"))
    told(met(facts.raw("SELECT nothing FROM facts_fact").__iter__))
    with connections[name].schema_editor() as editor:
        editor.delete_model(Fact)
told(met(Fact.objects.create, name="long"))
told(met(Fact.objects.using("gone").count))
told(ValidationError("no"))
"""


def test_djangos_errors_are_those_of_the_driver_within(postgres_url: str) -> None:
    place = postgres_url.partition("@")[2].partition("/")[0]
    done = subprocess.run(
        [sys.executable, "-c", DJANGO, place, str(free_port())],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *(["IntegrityError ignored", "DoesNotExist success", "ProgrammingError ignored"]),
        *(["IntegrityError ignored", "DoesNotExist success", "OperationalError ignored"]),
        "ProgrammingError ignored",
        "OperationalError failure",
        "ValidationError None",
    ]
