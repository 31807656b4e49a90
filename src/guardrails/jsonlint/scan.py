"""Reads JSON text strictly and without building it: every fault with its place, also behind the first one.

    a clean member or element ── one regular expression ───────────────► next
             │ anything else
             └── token by token ── a fault whose meaning is plain ─────► reported, next
                                └─ a fault that may mean anything ─────► reported, reading stops

No recursion, and no memory but for the names of the objects that are open, so that a large file costs little
more than its bytes. Grammar: RFC 8259; what is valid and yet lost on the way: RFC 7493 (I-JSON).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from guardrails.jsonlint import tokens
from guardrails.jsonlint.tokens import Fault, syntax

if TYPE_CHECKING:
    from collections.abc import Callable

# Where jsonsafe.loads stops, and orjson's own limit.
DEEPEST = 1024
# Names of open objects that are remembered; short ones take about 130 MB.
MOST_NAMES = 1_000_000
# Bytes between two looks at the clock.
STRIDE = 1 << 18

_STRING = (
    rb'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4}'
    rb'|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+"'
)
# No longer than what every double holds.
_NUMBER = rb"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,2})?"
_GAP = rb"[ \t\n\r]*+"
_VALUE = rb"(?:(?:" + _STRING + b"|" + _NUMBER + rb"|true|false|null)" + _GAP
MEMBER = re.compile(_GAP + b"(" + _STRING + b")" + _GAP + b":" + _GAP + _VALUE + rb"([,}])|([\[{]))").match
ELEMENT = re.compile(_GAP + _VALUE + rb"([,\]])|([\[{]))").match
AFTER = re.compile(_GAP + rb"([,\]}])").match
_TYPE = re.compile(_GAP + rb"," + _GAP + rb'"\$type"' + _GAP + rb":" + _GAP + rb'"([\w.<>]{1,200})"').match
_BRACKETS = b"[{"
_REASON = re.compile(rb"[a-z]{2,12}").fullmatch


class Stopped(Exception):
    """Reading cannot go on: what follows may mean anything."""


class Frame:
    """An open container. `names`: of an object, with the place of each; None for an array."""

    __slots__ = ("count", "limit", "name", "names", "start")

    def __init__(self, start: int, names: dict[bytes, int] | None, limit: int) -> None:
        self.start = start
        self.names = names
        self.limit = limit
        self.count = 0
        self.name: bytes | None = None

    def steps(self) -> list[str | int]:
        """What leads from here to the value that is being read; nothing between two members."""
        if self.names is None:
            return [self.count]
        return [] if self.name is None else [spelled(self.name)]


class Scan:
    """One reading. `report(fault, open containers)` gets each fault; `tick(offset)` is called now and then.

    `nul`: whether the reader takes U+0000. After `run`, `stopped` is the place where reading ended early, and
    `forgot` says that an object had too many names to compare them all; `read` is how far it was at the last tick.
    """

    def __init__(
        self,
        data: bytes,
        report: Callable[[Fault, list[Frame]], None],
        *,
        nul: bool = True,
        tick: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.data = data
        self.report = report
        self.nul = nul
        self.tick = tick
        self.next_tick = STRIDE
        self.read = 0
        self.stack: list[Frame] = []
        self.markers = b"$lost" in data
        self.stopped: int | None = None
        self.forgot = False

    def run(self) -> None:
        try:
            pos = self.gap(0)
            if pos == len(self.data):
                raise self.stopping(syntax(pos, "empty: no JSON value", "write null, {} or [] for nothing"))
            pos = self.opened(pos) if self.data[pos] in _BRACKETS else self.scalar(pos)
            while self.stack:
                frame = self.stack[-1]
                pos = self.elements(frame, pos) if frame.names is None else self.members(frame, frame.names, pos)
                if pos > self.next_tick:
                    self.look(pos)
            pos = self.gap(pos)
            if pos < len(self.data):
                raise self.stopping(self.behind(pos))
        except Stopped:
            pass

    def behind(self, pos: int) -> Fault:
        if self.data[pos] in b"]}":
            return syntax(pos, "a bracket that nothing opened", "remove it, or add the one that opens")
        fix = "keep one value; for JSON Lines name the file .jsonl or add --lines"
        return syntax(pos, "more text behind the value", fix)

    # The fast lane.

    def members(self, frame: Frame, names: dict[bytes, int], pos: int) -> int:
        """Go on in the object that was opened last, until it ends or another container begins."""
        data, markers, limit = self.data, self.markers, frame.limit
        while True:
            match = MEMBER(data, pos)
            if match is None or (markers and b"$lost" in match[0]):
                return self.member(frame, names, pos)
            name, end, opener = match.groups()
            if name in names or b"\\" in name or len(names) >= limit:
                self.named(frame, names, name, match.start(1))
            else:
                names[name] = match.start(1)
            pos = match.end()
            if opener:
                frame.name = name
                return self.opened(pos - 1)
            frame.count += 1
            if end == b"}":
                return self.closed(pos)
            if pos > self.next_tick:
                self.look(pos)

    def elements(self, frame: Frame, pos: int) -> int:
        """The same for an array."""
        data, markers = self.data, self.markers
        while True:
            match = ELEMENT(data, pos)
            if match is None or (markers and b"$lost" in match[0]):
                return self.element(frame, pos)
            end, opener = match.groups()
            pos = match.end()
            if opener:
                return self.opened(pos - 1)
            frame.count += 1
            if end == b"]":
                return self.closed(pos)
            if pos > self.next_tick:
                self.look(pos)

    def look(self, pos: int) -> None:
        self.read = pos
        self.next_tick = pos + STRIDE
        self.tick(pos)

    # Token by token.

    def member(self, frame: Frame, names: dict[bytes, int], pos: int) -> int:
        frame.name = None
        pos = self.gap(pos)
        if self.data[pos : pos + 1] == b"}":
            return self.early_end(frame, pos)
        name, end = self.name(pos)
        self.named(frame, names, name, pos)
        pos = self.gap(end)
        if self.data[pos : pos + 1] != b":":
            raise self.stopping(syntax(pos, "no colon behind a name", 'write "name": value'))
        pos = self.gap(pos + 1)
        if self.data[pos : pos + 1] in (b",", b"}"):
            self.note(syntax(pos, "a name without a value", "write the value, or null"))
            return self.delimited(pos)
        if name == b'"$lost"' and (text := tokens.STRING(self.data, pos)) is not None:
            self.lost(text[1], text.end())
        return self.valued(pos)

    def element(self, frame: Frame, pos: int) -> int:
        pos = self.gap(pos)
        byte = self.data[pos : pos + 1]
        if byte == b"]":
            return self.early_end(frame, pos)
        if byte == b",":
            self.note(syntax(pos, "nothing before a comma", "remove the comma, or write null"))
            return self.delimited(pos)
        return self.valued(pos)

    def valued(self, pos: int) -> int:
        """Behind the scalar at `pos` and its comma, or in the container that begins there."""
        if pos < len(self.data) and self.data[pos] in _BRACKETS:
            return self.opened(pos)
        return self.delimited(self.scalar(pos))

    def early_end(self, frame: Frame, pos: int) -> int:
        if frame.count:
            comma = self.data.rfind(b",", frame.start, pos)
            self.note(syntax(comma, "a comma behind the last entry", "remove the comma"), inside=False)
        return self.closed(pos + 1)

    def name(self, pos: int) -> tuple[bytes, int]:
        """A member's name as its token, and where that ends."""
        data = self.data
        if data[pos : pos + 1] == b'"':
            end = self.string(pos)
            return data[pos:end], end
        for pattern in (tokens.SINGLE, tokens.WORD, tokens.NUMBERISH):
            found = pattern(data, pos)
            if found is not None:
                self.note(syntax(pos, "a name without double quotes", "put it in double quotes"), inside=False)
                return json.dumps(found[0].strip(b"'").decode("utf-8", "replace")).encode(), found.end()
        raise self.stopping(self.unexpected(pos, "a name"))

    def named(self, frame: Frame, names: dict[bytes, int], token: bytes, offset: int) -> None:
        """Remember a name, unless it stands in this object already."""
        frame.name = token
        key = (
            json.dumps(spelled(token), ensure_ascii=False).encode("utf-8", "surrogatepass") if b"\\" in token else token
        )
        first = names.get(key)
        if first is not None:
            message = "a name that stands in this object already"
            fix = "rename or remove one of the two"
            instead = "the last of them, with most readers"
            self.note(Fault(offset, "duplicate", message, fix, "name", instead, first))
        elif len(names) < frame.limit:
            names[key] = offset
        else:
            self.forgot = True

    def scalar(self, pos: int) -> int:
        """Behind the value at `pos`, which is no container."""
        byte = self.data[pos : pos + 1]
        if byte == b'"':
            end = self.string(pos)
            if self.markers and (reason := tokens.lost_reason(self.data[pos + 1 : end - 1])) is not None:
                self.note(lost_fault(pos, reason, "string"))
            return end
        word = tokens.WORD(self.data, pos)
        if word is not None:
            if word[0] not in (b"true", b"false", b"null"):
                fault = tokens.word_fault(word[0], pos)
                if fault is None:
                    fix = 'put it in double quotes; a quote within a string is \\"'
                    raise self.stopping(syntax(pos, "a bare word where a value must come", fix))
                self.note(fault)
            return word.end()
        number = tokens.NUMBERISH(self.data, pos)
        if number is not None:
            if (fault := tokens.number_fault(number[0], pos)) is not None:
                self.note(fault)
            return number.end()
        single = tokens.SINGLE(self.data, pos)
        if single is not None:
            self.note(syntax(pos, "a string in single quotes", "use double quotes; json.dumps, not str or repr"))
            return single.end()
        raise self.stopping(self.unexpected(pos, "a value"))

    def string(self, pos: int) -> int:
        found = tokens.STRING(self.data, pos)
        end = len(self.data) if found is None else found.end(1)
        for fault in tokens.string_faults(self.data, pos + 1, end, nul=self.nul):
            # Most often the quote is missing, and then all that follows would be read inside out.
            if self.data[fault.offset] in b"\r\n":
                raise self.stopping(fault)
            self.note(fault)
        if found is None:
            raise self.stopping(syntax(pos, "a string without an end", "add the closing quote; was the text cut?"))
        return found.end()

    def opened(self, pos: int) -> int:
        """Behind the bracket at `pos`; the container is open, or closed already if it is empty."""
        stack, data = self.stack, self.data
        if len(stack) >= DEEPEST:
            message = f"more than {DEEPEST:,} containers deep"
            fix = "flatten it; a list that holds itself ends so"
            raise self.stopping(
                Fault(pos, "depth", message, fix, "container", "an error of orjson, jsonsafe.loads and others")
            )
        limit = MOST_NAMES
        if stack:
            limit = stack[-1].limit - len(stack[-1].names or ())
        is_object = data[pos] == 0x7B
        stack.append(Frame(pos, {} if is_object else None, limit))
        after = tokens.behind_gap(data, pos + 1)
        if data[after : after + 1] == (b"}" if is_object else b"]"):
            return self.closed(after + 1)
        return pos + 1

    def closed(self, pos: int) -> int:
        """Behind a closing bracket: go on in the container around it."""
        self.stack.pop()
        return self.delimited(pos) if self.stack else pos

    def delimited(self, pos: int) -> int:
        """Behind the comma that follows a value, or behind all brackets that do."""
        stack = self.stack
        while stack:
            frame = stack[-1]
            after = AFTER(self.data, pos)
            if after is None:
                pos = self.gap(pos)
                after = AFTER(self.data, pos)
            end = b"]" if frame.names is None else b"}"
            if after is None or after[1] not in (b",", end):
                raise self.stopping(self.undelimited(tokens.behind_gap(self.data, pos), end.decode()))
            frame.count += 1
            pos = after.end()
            if after[1] == b",":
                return pos
            stack.pop()
        return pos

    def undelimited(self, pos: int, end: str) -> Fault:
        byte = self.data[pos : pos + 1]
        if byte == b"":
            return self.unexpected(pos, f"a comma or {end}")
        if byte in (b"}", b"]"):
            return syntax(pos, f"{byte.decode()} where {end} must come", f"close with {end} what was opened last")
        fix = 'write the comma; a quote within a string is \\"'
        return syntax(pos, f"neither a comma nor {end} behind a value", fix)

    def gap(self, pos: int) -> int:
        """Over spaces, and over what some take for them."""
        while True:
            pos = tokens.behind_gap(self.data, pos)
            if (comment := tokens.COMMENT(self.data, pos)) is not None:
                self.note(syntax(pos, "a comment", "remove it: JSON has none"))
                pos = comment.end()
            elif (space := tokens.SPACE(self.data, pos)) is not None:
                bom = space[0] == b"\xef\xbb\xbf" and pos == 0
                message = "a byte order mark before the text" if bom else "a space that is none in JSON"
                self.note(syntax(pos, message, "save as UTF-8 without BOM" if bom else "use U+0020, or remove it"))
                pos = space.end()
            else:
                return pos

    def unexpected(self, pos: int, wanted: str) -> Fault:
        if pos >= len(self.data):
            opened = len(self.stack)
            fix = f"close the {opened} open container{'s' * (opened != 1)}; was the text cut?"
            return syntax(pos, f"the text ends where {wanted} must come", fix)
        char = self.data[pos : pos + 4].decode("utf-8", "replace")[:1]
        quote = "; use straight double quotes" if char in "“”„‘’`´" else ""
        return syntax(pos, f"U+{ord(char):04X} where {wanted} must come", f"write {wanted} of JSON here{quote}")

    # The report.

    def lost(self, contents: bytes, end: int) -> None:
        """A marker `{"$lost": reason, "$type": class}`; it stands for the object that holds it."""
        kind = _TYPE(self.data, end)
        reason = contents.decode() if _REASON(contents) else "unknown"
        name = "object" if kind is None else kind[1].decode("utf-8", "replace")
        self.note(lost_fault(self.stack[-1].start, reason, name), inside=False)

    def note(self, fault: Fault, *, inside: bool = True) -> None:
        """`inside`: the fault concerns what the open container holds here, not the container itself."""
        frames = self.stack if inside else self.stack[:-1]
        self.report(fault, frames)

    def stopping(self, fault: Fault) -> Stopped:
        self.note(fault)
        self.stopped = fault.offset
        return Stopped()


def lost_fault(offset: int, reason: str, kind: str) -> Fault:
    message = f"a marker of the encoder: a value was lost (reason: {reason})"
    fix = "guardrails json lint FILE.py:OBJECT, where it was encoded, names the cause; runbook: json-lossy"
    return Fault(offset, "lost", message, fix, kind, "the marker")


def spelled(token: bytes) -> str:
    """The name that a token writes, escapes and all; what cannot be decoded is shown as it is."""
    try:
        text = json.loads(token.decode("utf-8", "backslashreplace"), strict=False)
    except ValueError:
        text = token[1:-1].decode("utf-8", "backslashreplace")
    return str(text)
