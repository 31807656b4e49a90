"""The snapshot walker: any object graph becomes a tree of plain values, whatever happens on the way.

    value --rule--> simpler value --rule--> ... --> plain value, or a container that is opened
    open containers lie on a stack, not on Python's: a deep value cannot exhaust the caller's

Each container is copied in one step when it is opened, so that another thread, or code that a rule runs,
may change it meanwhile. A rule that fails costs its own value only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe import text as strings
from guardrails.jsonsafe.integers import digits
from guardrails.jsonsafe.kinds import Context, Items, Lost, Pairs, must_pass, type_name
from guardrails.jsonsafe.profiles import DEEPEST, LARGEST_INT
from guardrails.jsonsafe.snapshot import MOST_LOOKED, MOST_STEPS
from guardrails.jsonsafe.tags import TAG, Tagged, tag
from guardrails.jsonsafe.writer import TALL, canonical_bytes, plain_bytes
from guardrails.redact import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from guardrails.jsonsafe.profiles import Terms
    from guardrails.jsonsafe.registry import Registry
    from guardrails.jsonsafe.report import Action, Ledger, Reason


# No text of this length is too long for any profile.
SHORT = 200


class Frame:
    """A container that is being walked. `place`: its name or index in the container around it."""

    __slots__ = ("listed", "looked", "out", "pairs", "place", "rest", "sort", "source", "taken")

    def __init__(self, source: object, listed: list[Any], out: Any, place: str | int) -> None:
        self.source = source
        self.listed = listed
        self.rest: Iterator[Any] = iter(listed)
        self.out = out
        self.place = place
        self.pairs = type(out) is dict
        self.sort = False
        self.looked = False
        # Names that are taken, with the number that was last put behind each.
        self.taken: dict[str, int] | None = None


class Walker:
    """One walk. `prefix` and `outer`: where the value stands when it is a part of a larger one."""

    def __init__(
        self,
        terms: Terms,
        registry: Registry,
        ledger: Ledger,
        *,
        iterables: bool = False,
        nan: str = "report",
        until: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        prefix: Sequence[str | int] = (),
        outer: Sequence[object] = (),
    ) -> None:
        self.terms = terms
        self.registry = registry
        self.ledger = ledger
        self.context = Context(terms, iterables=iterables)
        self.report_nan = nan == "report"
        self.until = until
        self.clock = clock
        self.prefix = prefix
        self.outer = outer
        self.open = set(map(id, outer))
        self.deepest = DEEPEST - len(outer)
        self.rules = registry.rules
        self.stack: list[Frame] = []
        self.looking = 0
        # At least so many bytes the output will have.
        self.size = 0
        self.tall = False
        # Whether short ASCII strings need no look.
        self.as_is = not terms.redact and terms.nul and not terms.tags
        self.tags = terms.tags

    def tree(self, root: object) -> Any:
        """The plain tree of `root`. Raises what must pass and nothing else."""
        result = self.one(root, "")
        if type(result) is not Frame:
            return result
        stack = self.stack
        while stack:
            frame = stack[-1]
            if not (self.walk_pairs(frame) if frame.pairs else self.walk_items(frame)):
                self.close(stack.pop())
        return result.out

    def walk_pairs(self, frame: Frame) -> bool:
        """Go on in a mapping; True when a container in it was opened and comes first."""
        out, careful = frame.out, self.terms.redact or frame.looked
        for key, value in frame.rest:
            name = self.key(key, frame)
            if careful and self.masks(frame, name, value):
                out[name] = self.secret(name, value)
                continue
            done = self.one(value, name)
            if type(done) is Frame:
                out[name] = done.out
                return True
            out[name] = done
        return False

    def walk_items(self, frame: Frame) -> bool:
        """Go on in a sequence; True when a container in it was opened and comes first."""
        out = frame.out
        careful = self.terms.redact and len(frame.listed) == 2
        for value in frame.rest:
            if careful and out and self.follows_name(frame, value):
                out.append(self.secret(1, value))
                continue
            done = self.one(value, len(out))
            if type(done) is Frame:
                out.append(done.out)
                return True
            out.append(done)
        return False

    def one(self, value: object, place: str | int) -> Any:
        """A plain value, or the frame that was opened for it."""
        if self.until is not None and self.clock() > self.until:
            return self.lost("deadline", value, place)
        origin = value
        for _ in range(MOST_STEPS):
            if self.tags and (tagged := tag(value, self.registry)) is not None:
                return self.guarded_tag(tagged, origin, place)
            ending = _ENDINGS.get(type(value))
            if ending is not None:
                return ending(self, value, place, origin)
            try:
                kind = type(value)
                value = (self.rules.get(kind) or self.registry.rule(kind, self.rules))(value, self.context)
            except BaseException as exc:
                if must_pass(exc):
                    raise
                value = Lost("raised", **{"$error": type_name(type(exc))})
        return self.lost("depth", origin, place)

    def guarded_tag(self, tagged: Tagged, origin: object, place: str | int) -> Any:
        try:
            payload = tagged.payload(tagged.value)
        except BaseException as exc:
            if must_pass(exc):
                raise
            return self.lost("raised", origin, place, {"$error": type_name(type(exc))})
        return self.opened(origin, [(TAG, tagged.name), ("v", payload)], {}, place)

    # What a value ends as. Each takes the plain or nearly plain value, its place and the object it came from.

    def keep(self, value: object, *_: object) -> object:
        return value

    def string(self, value: str, place: str | int, origin: object) -> Any:
        if len(value) <= SHORT:
            return self.text(value, place, origin)
        # Longer ones are counted, so that many references to one text cannot outgrow the bound.
        if self.size > self.terms.most_bytes:
            return self.lost("size", origin, place)
        value = self.text(value, place, origin)
        self.size += len(value)
        return value

    def text(self, value: str, place: str | int, origin: object) -> str:
        """The string as every reader of this profile takes it."""
        terms = self.terms
        if terms.redact:
            value = self.masked(value, place, origin)
        if not value.isascii() and not strings.whole(value):
            self.note("surrogate", origin, place, "escaped")
            value = strings.escaped(value)
        if not terms.nul and "\0" in value:
            self.note("nul", origin, place, "escaped")
            value = strings.without_nul(value)
        if len(value) > terms.longest:
            self.note("size", origin, place, "cut")
            value = strings.shortened(value, terms.longest)
        return value

    def masked(self, value: str, place: str | int, origin: object) -> str:
        clean = strings.masked(value, self.terms.longest)
        if clean != value:
            self.note("secret", origin, place, "masked")
        return clean

    def integer(self, value: int, *_: object) -> object:
        if -LARGEST_INT <= value <= LARGEST_INT:
            return value
        return digits(value)

    def real(self, value: float, place: str | int, origin: object) -> float | None:
        if value - value == 0.0:
            return value
        if self.report_nan:
            self.note("nan", origin, place, "null")
        return None

    def mapping(self, value: dict[Any, Any], place: str | int, origin: object) -> Any:
        return self.opened(origin, copied(value), {}, place)

    def sequence(self, value: list[Any] | tuple[Any, ...], place: str | int, origin: object) -> Any:
        return self.opened(origin, list(value), [], place)

    def pairs(self, value: Pairs, place: str | int, origin: object) -> Any:
        if value.looked and self.looking >= MOST_LOOKED:
            return self.lost("opaque", origin, place)
        frame = self.opened(origin, value.pairs, {}, place)
        if type(frame) is Frame:
            names = [name for name, _ in value.pairs if type(name) is str]
            if len(set(names)) < len(names):
                frame.taken = dict.fromkeys(names, 1)
            if value.looked:
                frame.looked = True
                self.looking += 1
                self.damaged("opaque", "attributes")
            elif value.missing:
                unloaded = bool(value.pairs) and value.pairs[-1][0] == "$unloaded"
                self.damaged(*(("unloaded", "omitted") if unloaded else ("size", "cut")))
        return frame

    def items(self, value: Items, place: str | int, origin: object) -> Any:
        frame = self.opened(origin, value.items, [], place)
        if type(frame) is Frame:
            frame.sort = value.sort
            if value.cut:
                # The marker stands at the end and brings the entry.
                value.items.append(Lost("size", origin, **{"$kept": str(len(value.items))}))
        return frame

    def gone(self, value: Lost, place: str | int, origin: object) -> object:
        return self.lost(value.reason, origin if value.of is None else value.of, place, value.extra)

    def opened(self, origin: object, listed: list[Any], out: Any, place: str | int) -> Any:
        if id(origin) in self.open:
            return self.lost("cycle", origin, place)
        if len(self.stack) >= self.deepest:
            return self.lost("depth", origin, place)
        self.size += 2 + 2 * len(listed)
        if self.size > self.terms.most_bytes and self.stack:
            return self.lost("size", origin, place)
        if len(self.stack) >= TALL:
            self.tall = True
        frame = Frame(origin, listed, out, place)
        self.open.add(id(origin))
        self.stack.append(frame)
        return frame

    def close(self, frame: Frame) -> None:
        self.open.discard(id(frame.source))
        self.looking -= frame.looked
        if frame.sort:
            frame.out.sort(key=canonical_bytes)

    # Names.

    def key(self, key: object, frame: Frame) -> str:
        """The name for a key, which no other name of this mapping bears."""
        if type(key) is str:
            if frame.taken is None and self.as_is and len(key) <= SHORT and key.isascii():
                return key
            name = self.text(key, _KEY, key)
            if name is key and frame.taken is None:
                return name
        else:
            name = self.name(key)
        if frame.taken is None:
            # Names that are strings already keep their form, whatever comes before them.
            frame.taken = dict.fromkeys((other for other, _ in frame.listed if type(other) is str), 1)
            frame.taken.update(dict.fromkeys(frame.out, 1))
        if name is key and name not in frame.out:
            return name
        base, number = name, frame.taken.get(name, 1)
        while name in frame.taken or name in frame.out:
            number += 1
            name = f"{base}#{number}"
        if number > 1:
            self.note("key", key, name, "renamed")
            frame.taken[base] = number
        frame.taken.setdefault(name, 1)
        return name

    def name(self, key: object) -> str:
        """A key that is no string, as JSON text where it is a number or a structure."""
        if type(key) is float:
            return repr(key)
        places = (*self.prefix, *(frame.place for frame in self.stack[1:]))
        outer = (*self.outer, *(frame.source for frame in self.stack))
        inner = Walker(
            self.terms,
            self.registry,
            self.ledger,
            until=self.until,
            clock=self.clock,
            prefix=(*places, _KEY),
            outer=outer,
        )
        tree = inner.tree(key)
        return tree if type(tree) is str else plain_bytes(tree, tall=inner.tall).decode()

    # Secrets under a name.

    def masks(self, frame: Frame, name: str, value: object) -> bool:
        """Whether the name says that the value is a secret."""
        if type(value) in _NO_SECRETS:
            return False
        if strings.names_secret(name):
            return True
        return name == "value" and type(label := frame.out.get("name")) is str and strings.names_secret(label)

    def follows_name(self, frame: Frame, value: object) -> bool:
        """Whether this is the second of `("api_key", "...")`, as headers are often written."""
        label = frame.out[0]
        return type(value) not in _NO_SECRETS and type(label) is str and strings.names_secret(label)

    def secret(self, place: str | int, value: object) -> str:
        self.note("secret", value, place, "masked")
        return MARK

    # The report.

    def path(self, place: str | int) -> tuple[str | int, ...]:
        if not self.stack:
            return tuple(self.prefix)
        return (*self.prefix, *(frame.place for frame in self.stack[1:]), place)

    def note(self, reason: Reason, origin: object, place: str | int, action: Action) -> None:
        self.ledger.add(self.path(place), reason, type_name(type(origin)), action)

    def damaged(self, reason: Reason, action: Action) -> None:
        """A note about the container that was opened last."""
        path = (*self.prefix, *(frame.place for frame in self.stack[1:]))
        self.ledger.add(path, reason, type_name(type(self.stack[-1].source)), action)

    def lost(self, reason: Reason, origin: object, place: str | int, extra: dict[str, str] | None = None) -> Any:
        """The marker of a value that is gone. Where a container would be one too deep, it is a text."""
        if reason == "secret":
            return self.secret(place, origin)
        self.note(reason, origin, place, "marker")
        if len(self.stack) >= self.deepest:
            return f"$lost: {reason}"
        return {"$lost": reason, "$type": type_name(type(origin)), **(extra or {})}


def copied(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """The entries of a dict as they were at one moment."""
    for _ in range(3):
        try:
            return list(value.items())
        except RuntimeError:  # another thread changed it between two entries
            continue
    return list(value.copy().items())


_KEY = "<key>"
# Too short or too plain to hide anything.
_NO_SECRETS = {bool, type(None)}


_ENDINGS: dict[type[Any], Callable[[Walker, Any, str | int, object], Any]] = {
    str: Walker.string,
    int: Walker.integer,
    float: Walker.real,
    bool: Walker.keep,
    type(None): Walker.keep,
    dict: Walker.mapping,
    list: Walker.sequence,
    tuple: Walker.sequence,
    Pairs: Walker.pairs,
    Items: Walker.items,
    Lost: Walker.gone,
}
