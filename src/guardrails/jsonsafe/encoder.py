"""The encoder: which lane a value takes, what is reported, and what happens when all else fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from guardrails.clock import SystemClock
from guardrails.errors import EncodeError
from guardrails.hooks import emit
from guardrails.jsonsafe.kinds import must_pass, type_name
from guardrails.jsonsafe.lanes import OPTIONS, GiveUp, Repair, fitting, lost_floats, raw, small
from guardrails.jsonsafe.profiles import terms_of
from guardrails.jsonsafe.reader import converted, parsed
from guardrails.jsonsafe.registry import SHARED
from guardrails.jsonsafe.report import Encoded, Entry, Ledger, Report
from guardrails.jsonsafe.snapshot import snapshot
from guardrails.jsonsafe.tags import untagged
from guardrails.jsonsafe.trimming import Trimmer
from guardrails.jsonsafe.walker import Walker
from guardrails.jsonsafe.writer import SOUND, canonical_bytes, contains, engine, plain_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.clock import Clock
    from guardrails.jsonsafe.profiles import Policy, Profile, Terms
    from guardrails.jsonsafe.registry import Registry

T = TypeVar("T")
Nan = Literal["report", "null"]


def _no_engine(*_: object) -> bytes:
    raise TypeError("orjson is not installed, or not to be trusted with values of others")


_quick = engine.dumps if SOUND else _no_engine
# Up to here no string can be too long for the default terms, nor the whole.
_SHORT = terms_of("js", "safe").longest
_UNTRIED = b""


class Encoder:
    """Encodes anything, by the rules of one registry.

    `registry`: the types it was taught; the default is the one that `guardrails.jsonsafe.register` fills.
    `clock`: where the 50 ms of `log` and `lossy` are measured; the default is the host's clock.
    """

    def __init__(self, registry: Registry | None = None, *, clock: Clock | None = None) -> None:
        self.registry = SHARED if registry is None else registry
        self.clock = clock or SystemClock()

    def dumps(
        self,
        obj: object,
        *,
        profile: Profile = "js",
        policy: Policy = "safe",
        shared: bool = False,
        iterables: bool = False,
        nan: Nan = "report",
    ) -> bytes:
        """`obj` as JSON in UTF-8.

        What cannot be kept exactly becomes a marker, such as `{"$lost": "opaque", "$type": "app.Client"}`, and
        is counted by one `hooks.emit("json_lossy_total")` a call; `encode` also says where.

        `profile`: who reads it: `js` (default: what browsers and most services take), `pg` (PostgreSQL's jsonb),
        `log` (no secrets, at most 256 KiB), `wire` (types come back by `loads(tags=True)`), `hash` (RFC 8785).
        `policy`: `safe` (default: mark and report), `lossy` (also trim to 256 KiB and 50 ms), `strict` (raise
        EncodeError with all bad paths: for tests and CI). `shared`: other threads, or code that runs during the
        encoding, may change the containers; off by default, since it costs about as much as the standard library.
        `iterables`: read generators and other iterators, at most 10,000 items; off by default, because they can
        be read only once. `nan`: `"null"` writes NaN and infinity as null without looking for them: for hot paths
        whose data are known to be clean; the default looks wherever the output holds a null, and reports them.

        Raises EncodeError under `strict`, ValueError for an unknown profile or policy, and what must not be
        held back: KeyboardInterrupt, MemoryError, cancellation.
        """
        data: bytes | None = _UNTRIED
        if profile == "js" and policy == "safe" and not shared and self.registry.fast:
            try:
                data = _quick(obj, None, OPTIONS)
            except TypeError:
                data = None
            else:
                if len(data) <= _SHORT and (nan == "null" or not contains(data, b"null")):
                    return data
        return self._encoded(obj, data, profile, policy, shared=shared, iterables=iterables, nan=nan).data

    def dumps_str(
        self,
        obj: object,
        *,
        profile: Profile = "js",
        policy: Policy = "safe",
        shared: bool = False,
        iterables: bool = False,
        nan: Nan = "report",
    ) -> str:
        """As `dumps`, but text: for places that take no bytes, such as `WebSocket.send_text`."""
        data = self.dumps(obj, profile=profile, policy=policy, shared=shared, iterables=iterables, nan=nan)
        return data.decode()

    def encode(
        self,
        obj: object,
        *,
        profile: Profile = "js",
        policy: Policy = "safe",
        shared: bool = False,
        iterables: bool = False,
        nan: Nan = "report",
    ) -> Encoded:
        """As `dumps`, with the report: `.data`, `.report.lossy`, `.report.entries[0].path`."""
        return self._encoded(obj, _UNTRIED, profile, policy, shared=shared, iterables=iterables, nan=nan)

    def _encoded(
        self,
        obj: object,
        data: bytes | None,
        profile: Profile,
        policy: Policy,
        *,
        shared: bool,
        iterables: bool,
        nan: Nan,
    ) -> Encoded:
        """`data`: what orjson made of it already, None if it failed, `_UNTRIED` if it was not asked."""
        run = _Run(self, terms_of(profile, policy), nan=nan, iterables=iterables)
        try:
            encoded = run.encoded(obj, data, shared=shared)
        except BaseException as exc:
            if must_pass(exc):
                raise
            encoded = _envelope(obj, exc)
        if encoded.report.lossy:
            if policy == "strict":
                raise EncodeError(_problems(encoded.report), encoded.report.omitted)
            reasons = {entry.reason for entry in encoded.report.entries if entry.lossy}
            emit("json_lossy_total", 1.0, {"profile": profile, "reason": _one_of(reasons)})
        return encoded

    def explain(self, obj: object, *, profile: Profile = "js", iterables: bool = False) -> tuple[Entry, ...]:
        """Every place of `obj` that JSON cannot keep exactly, like a linter; empty when there is none.

        Nothing is counted or written. Takes as long as the slow lane; for tests, consoles and CI.
        """
        run = _Run(self, terms_of(profile, "safe"), nan="report", iterables=iterables)
        run.ledger = Ledger(most=None)
        run.bytes_of(run.walk(obj))
        return tuple(run.ledger.entries)

    def plain(self, obj: object, *, profile: Profile = "js", policy: Policy = "safe") -> Any:
        """A copy of `obj` of dicts, lists, strings, numbers, booleans and None alone, by the same rules.

        For libraries that write JSON themselves. Raises as `dumps` does.
        """
        encoded = self.encode(obj, profile=profile, policy=policy, shared=True)
        return parsed(encoded.data)

    @overload
    def loads(self, data: bytes | bytearray | memoryview | str, *, type: type[T], tags: bool = False) -> T: ...
    @overload
    def loads(self, data: bytes | bytearray | memoryview | str, *, type: None = None, tags: bool = False) -> Any: ...
    def loads(
        self,
        data: bytes | bytearray | memoryview | str,
        *,
        type: type[Any] | None = None,  # noqa: A002 - the word for it
        tags: bool = False,
    ) -> Any:
        """What strictly valid JSON says; with `type`, an instance of it.

        `type`: a registered type with a `decode`, a pydantic model, a msgspec Struct, a dataclass, a TypedDict, an
        Enum, one of the standard library's value types (UUID, datetime, Decimal, Path ...), or a container or union
        of those. `tags`: bring back what the `wire` profile tagged; off by default, since whoever sends the data
        then chooses among the registered types.

        Integers of any size stay exact. Raises ValueError for what is not JSON (NaN, a trailing comma, a byte order
        mark, half a surrogate pair), for a tag that nobody registered, and, with the path, for what is not `type`.
        """
        tree = parsed(data)
        if tags:
            tree = untagged(tree, self.registry)
        return tree if type is None else converted(tree, type, self.registry)


class _Run:
    """One encoding."""

    def __init__(self, owner: Encoder, terms: Terms, *, nan: Nan, iterables: bool) -> None:
        self.owner = owner
        self.terms = terms
        self.nan = nan
        self.iterables = iterables
        self.ledger = Ledger()
        self.until: float | None = None
        # At least so many bytes what was walked will have.
        self.size = 0
        self.tall = False

    def encoded(self, obj: object, data: bytes | None, *, shared: bool) -> Encoded:
        quick = None
        if self.terms.fast and not shared and SOUND and self.owner.registry.fast:
            quick = self.first(obj, data)
        # The snapshot may be taken for nothing: no time for that under a deadline, and an iterator is read only once.
        if quick is None and self.terms.fast and self.terms.seconds is None and not self.iterables:
            self.ledger.clear()
            quick = snapshot(obj, self.terms, self.owner.registry, self.ledger, nan=self.nan == "report")
        if quick is not None:
            return Encoded(quick, self.ledger.report())
        self.ledger.clear()
        return Encoded(self.bytes_of(self.walk(obj)), self.ledger.report())

    def first(self, obj: object, data: bytes | None) -> bytes | None:
        """What the fast lane makes of it; None where another lane is better."""
        if data is _UNTRIED:
            data = raw(obj)
        if data is None:
            return self.repaired(obj)
        if len(data) > self.terms.most_bytes or not fitting(data, self.terms):
            return None
        if self.nan == "report" and contains(data, b"null"):
            try:
                lost = lost_floats(obj, data)
            except RecursionError:  # the caller's stack is nearly full; the walker needs none
                return None
            if lost is None:
                return None
            for path in lost.paths:
                self.ledger.add(path, "nan", "float", "null")
            self.ledger.omitted += lost.total - len(lost.paths)
        return data

    def repaired(self, obj: object) -> bytes | None:
        if type(obj) not in (dict, list, tuple) or small(obj):
            return None
        try:
            data = Repair(self.terms, self.part, nan=self.nan == "report").mended(obj)
        except (GiveUp, RecursionError):
            return None
        return data if len(data) <= self.terms.most_bytes else None

    def walk(self, obj: object, path: Sequence[str | int] = (), around: Sequence[object] = ()) -> Any:
        clock = self.owner.clock.monotonic
        if self.until is None and self.terms.seconds is not None:
            self.until = clock() + self.terms.seconds
        walker = Walker(
            self.terms,
            self.owner.registry,
            self.ledger,
            iterables=self.iterables,
            nan=self.nan,
            until=self.until,
            clock=clock,
            prefix=path,
            outer=around,
        )
        tree = walker.tree(obj)
        self.size = max(self.size, walker.size)
        self.tall = self.tall or walker.tall
        return tree

    def part(self, obj: object, path: Sequence[str | int], around: Sequence[object]) -> bytes:
        return self.written(self.walk(obj, path, around))

    def bytes_of(self, tree: Any) -> bytes:
        # Many references to one long text make a small tree and a huge output: that is not even tried.
        if self.size <= self.terms.most_bytes and len(data := self.written(tree)) <= self.terms.most_bytes:
            return data
        return self.written(Trimmer(self.terms.most_bytes, self.ledger).trimmed(tree))

    def written(self, tree: Any) -> bytes:
        return canonical_bytes(tree) if self.terms.canonical else plain_bytes(tree, tall=self.tall)


def _envelope(obj: object, exc: BaseException) -> Encoded:
    """When even the walker failed: a text that is always valid, and says so."""
    kind, error = type_name(type(obj)), type_name(type(exc))
    data = plain_bytes({"$lost": "raised", "$type": kind, "$error": error})
    return Encoded(data, Report((Entry("$", "raised", kind, "marker"),)))


def _problems(report: Report) -> list[str]:
    return [f"{entry.path}: {entry.reason} ({entry.type})" for entry in report.entries if entry.lossy]


def _one_of(reasons: set[Any]) -> str:
    """One label for one event: its reason, or that there were several."""
    return next(iter(reasons)) if len(reasons) == 1 else "several"
