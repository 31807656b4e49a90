"""What an error of Redis or of a database says about it.

Redis      no connection, no answer in time, loading, out of memory, a replica that takes no writes       failure
database   no connection, out of resources, shut down, broken, a deadlock or another serialization
           failure: more of the same load would bring more of them                                        failure
both       a bad command or statement, a constraint, a wrong password, our own pool that is full           ignored
           no such row, or too many                                                                       success

A database is known by its SQLSTATE where there is one (psycopg, psycopg2, asyncpg; SQLAlchemy and Django hold the
driver's error), by SQLite's code, else by the class that PEP 249 has for it. sqlstate classes: PostgreSQL, appendix A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.policies.answers import kinds_of
from guardrails.policies.outcomes import FAILURE, IGNORED, SUCCESS, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

REDIS = frozenset({"redis", "valkey"})
DATABASES = frozenset({"asyncpg", "django", "psycopg", "psycopg2", "psycopg_pool", "sqlalchemy", "sqlite3"})

REDIS_OWN = {"AuthenticationError", "AuthorizationError", "MaxConnectionsError"}
REDIS_SICK = {"ClusterDownError", "ConnectionError", "InvalidResponse", "OutOfMemoryError", "ReadOnlyError"}
REDIS_SICK |= {"TimeoutError", "TryAgainError"}
# The first word of an answer that the client has no class for.
REDIS_SICK_WORDS = {"MISCONF", "NOREPLICAS"}

# No such row, or more than one: it has answered.
ANSWERED = {"MultipleObjectsReturned", "MultipleResultsFound", "NoResultFound", "ObjectDoesNotExist"}
# Of psycopg_pool: closed, or too many wait for it. Its PoolTimeout is also what it says of a server that is down.
OWN_POOL = {"PoolClosed", "TooManyRequests"}
# Connection, transaction rolled back, resources, operator, system, internal error.
SICK_CLASSES = {"08", "40", "53", "57", "58", "XX"}
# A standby: the primary has moved, and the connection has not.
READ_ONLY = "25006"
ROLLED_BACK = {"40001", "40P01"}
# SQLITE_ERROR: the statement; SQLITE_INTERRUPT: asked for.
SQLITE_OWN = {1, 9}
PEP_249_OWN = {"DataError", "IntegrityError", "NotSupportedError", "ProgrammingError"}
PEP_249_SICK = {"DatabaseError", "DisconnectionError", "InterfaceError", "InternalError", "OperationalError"}
# How many errors within one another are looked at.
DEEP = 5


def outcome_of_redis(error: Any) -> Outcome | None:
    """See above. None: no error of its client's."""
    kinds = kinds_of(error, REDIS)
    if "RedisError" not in kinds:
        return None
    sick = kinds & REDIS_SICK or str(error).partition(" ")[0] in REDIS_SICK_WORDS
    return FAILURE if sick and not kinds & REDIS_OWN else IGNORED


def outcome_of_database(error: Any) -> Outcome | None:
    """See above. None: no error of a database's."""
    kinds = kinds_of(error, DATABASES)
    if kinds & ANSWERED:
        return SUCCESS
    if getattr(error, "connection_invalidated", False) is True:
        return FAILURE
    state = sqlstate_of(error)
    if state:
        return FAILURE if state[:2] in SICK_CLASSES or state == READ_ONLY else IGNORED
    number = next((n for one in causes(error) if isinstance(n := getattr(one, "sqlite_errorcode", None), int)), None)
    # The low byte is the code; what stands above it says more of the same.
    if kinds & PEP_249_OWN or kinds & OWN_POOL or (number is not None and number & 0xFF in SQLITE_OWN):
        return IGNORED
    if kinds & PEP_249_SICK:
        return FAILURE
    # What SQLAlchemy raises before it asks: the statement, the session, its pool that is full.
    return IGNORED if "SQLAlchemyError" in kinds else None


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE, five characters, of the error or of the driver's error within it; "": there is none."""
    for one in causes(error):
        for name in ("sqlstate", "pgcode"):
            state = getattr(one, name, None)
            if isinstance(state, str) and len(state) == 5:
                return state
    return ""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from, as its raiser says: not what happened to be handled meanwhile."""
    for _ in range(DEEP):
        if error is None:
            return
        yield error
        within = getattr(error, "orig", None)
        error = within if isinstance(within, BaseException) else error.__cause__
