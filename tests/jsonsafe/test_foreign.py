"""Values of other libraries, where they are installed."""

from __future__ import annotations

import decimal
import uuid
from typing import Any

import pytest

from guardrails import jsonsafe


def tree(value: Any, **options: Any) -> Any:
    """What is written of `value`, which must be clean."""
    encoded = jsonsafe.encode(value, **options)
    assert encoded.report.entries == ()
    return jsonsafe.loads(encoded.data)


def reasons(value: Any) -> list[str]:
    return [entry.reason for entry in jsonsafe.encode(value).report.entries]


def test_numpy() -> None:
    np = pytest.importorskip("numpy")
    assert tree([np.int64(3), np.float64(1.5), np.bool_(True), np.str_("a")]) == [3, 1.5, True, "a"]
    assert tree({np.int64(3): 1}) == {"3": 1}
    assert tree(np.array([[1, 2], [3, 4]])[:, ::-1]) == [[2, 1], [4, 3]]
    assert tree(np.datetime64("2026-01-02T03:04:05.000000006")) == "2026-01-02T03:04:05.000000006"
    assert tree(np.array(["2026-01-02"], dtype="datetime64[D]")) == ["2026-01-02"]
    assert tree(np.uint64(2**64 - 1)) == str(2**64 - 1)
    assert reasons([np.float64("nan"), np.datetime64("NaT", "s")]) == ["nan", "nan"]
    assert reasons(np.array([1.0, float("inf")])) == ["nan"]
    assert reasons(np.zeros(10_000_000, dtype="i1")) == ["size"]


def test_pandas() -> None:
    pd = pytest.importorskip("pandas")
    assert tree(pd.Timestamp("2026-01-02T03:04:05.000000006Z")) == "2026-01-02T03:04:05.000000006+00:00"
    assert tree(pd.Timedelta("1 days 2 hours")) == "P1DT2H0M0S"
    assert reasons([pd.NaT, pd.NA]) == ["nan", "nan"]
    frame = pd.DataFrame([[1, "a"], [2, "b"]], columns=["n", "n"], index=["x", "y"])
    assert tree(frame) == {"columns": ["n", "n"], "index": ["x", "y"], "data": [[1, "a"], [2, "b"]]}
    assert tree(pd.Series([1, 2], name="s")) == {"name": "s", "index": [0, 1], "data": [1, 2]}
    assert tree(pd.array([1, 2])) == [1, 2]


def test_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Account(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        id: uuid.UUID
        hidden: str = pydantic.Field("x", exclude=True)
        anything: Any = None

        @pydantic.computed_field  # type: ignore[prop-decorator]
        @property
        def short(self) -> str:
            return str(self.id)[:4]

    class Masked(pydantic.BaseModel):
        card: str

        @pydantic.field_serializer("card")
        def stars(self, card: str) -> str:
            return "****" + card[-4:]

    class Tags(pydantic.RootModel[list[str]]):
        pass

    one = uuid.UUID(int=1)
    account = Account(id=one, anything=decimal.Decimal("1.0"), more=1)
    assert tree(account) == {"id": str(one), "anything": "1.0", "more": 1, "short": "0000"}
    assert tree(Masked(card="4242424242424242")) == {"card": "****4242"}
    assert tree(Tags(["a"])) == ["a"]
    assert tree(pydantic.AnyUrl("https://example.com/a")) == "https://example.com/a"
    encoded = jsonsafe.encode([pydantic.SecretStr("hunter2"), pydantic.SecretBytes(b"hunter2")])
    assert encoded.data == b'["[redacted]","[redacted]"]'
    assert [entry.reason for entry in encoded.report.entries] == ["secret", "secret"]
    again = jsonsafe.loads(jsonsafe.dumps({"card": "1234"}), type=Masked)
    assert again == Masked(card="1234")


def test_attrs() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Item:
        id: uuid.UUID
        _kind: str

    assert tree(Item(uuid.UUID(int=1), "k")) == {"id": str(uuid.UUID(int=1)), "_kind": "k"}


def test_msgspec() -> None:
    msgspec = pytest.importorskip("msgspec")

    class Event(msgspec.Struct, rename="camel", tag="event"):
        event_id: uuid.UUID
        note: Any = msgspec.UNSET

    event = Event(uuid.UUID(int=1))
    assert tree(event) == {"type": "event", "eventId": str(uuid.UUID(int=1))}
    assert jsonsafe.loads(jsonsafe.dumps(event), type=Event) == event
    assert tree(msgspec.Raw(b'{"a":[1]}')) == {"a": [1]}
    assert reasons(msgspec.Raw(b"{")) == ["raised"]


def test_sqlalchemy() -> None:
    sa = pytest.importorskip("sqlalchemy")
    orm = pytest.importorskip("sqlalchemy.orm")

    class Base(orm.DeclarativeBase):  # type: ignore[name-defined,misc]
        pass

    class Person(Base):
        __tablename__ = "people"
        id = orm.mapped_column(sa.Integer, primary_key=True)
        name = orm.mapped_column(sa.String)
        bio = orm.mapped_column(sa.String, deferred=True)

    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with orm.Session(engine) as session:
        session.add(Person(id=1, name="Ada", bio="long"))
        session.commit()
        person = session.scalars(sa.select(Person)).one()
        row = session.execute(sa.select(Person.id, Person.name, Person.id)).one()
        before = len(statements)
        encoded = jsonsafe.encode(person)
        assert jsonsafe.loads(encoded.data) == {"id": 1, "name": "Ada", "$unloaded": ["bio"]}
        assert [(entry.path, entry.reason, entry.action) for entry in encoded.report.entries] == [
            ("$", "unloaded", "omitted")
        ]
        assert len(statements) == before
        assert list(jsonsafe.loads(jsonsafe.dumps(row)).values()) == [1, "Ada", 1]
    engine.dispose()
