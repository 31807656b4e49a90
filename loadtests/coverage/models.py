"""Classes of other libraries, whose instances are among the kinds."""

from __future__ import annotations

import threading
import uuid  # noqa: TC003 - pydantic reads the annotations
from typing import Any

import attrs
import msgspec
import pydantic
import sqlalchemy as sa
from pydantic import v1
from sqlalchemy import orm


@attrs.define
class Item:
    id: uuid.UUID
    name: str


class Account(pydantic.BaseModel):
    id: uuid.UUID
    name: str


class Holder(pydantic.BaseModel):
    name: str
    anything: Any


class OldAccount(v1.BaseModel):
    id: uuid.UUID
    name: str


class Event(msgspec.Struct):
    id: uuid.UUID
    name: str


class Base(orm.DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    bio: orm.Mapped[str] = orm.mapped_column(deferred=True)


def holder() -> Holder:
    return Holder(name="Ada-4711", anything=threading.Lock())


def _stored(session: orm.Session) -> None:
    Base.metadata.create_all(session.get_bind())
    session.add(Person(id=4711, name="Ada-Lovelace", bio="long"))
    session.commit()


def _session() -> orm.Session:
    return orm.Session(sa.create_engine("sqlite://"))


def row() -> Any:
    """Two columns of one line."""
    with _session() as session:
        _stored(session)
        found = session.execute(sa.select(Person.id, Person.name)).one()
        _close(session)
    return found


def person() -> Person:
    """A model with all its columns, which no session knows."""
    return Person(id=4711, name="Ada-Lovelace", bio="long")


def detached() -> Person:
    """A model whose session is gone: reading the column that was not loaded raises."""
    with _session() as session:
        _stored(session)
        found = session.scalars(sa.select(Person)).one()
        session.expunge(found)
        _close(session)
    return found


def _close(session: orm.Session) -> None:
    session.close()
    session.get_bind().engine.dispose()
