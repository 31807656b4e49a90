"""What nearly every event of a stream looks like, so that it need not be read: the same bytes but for a few words.

    shape = shape_of(chunk, said)     of an event that adds `said` to the text, and does nothing else
    shape.words(chunk)                what another event of that shape adds; None: it is of another, read it

An event differs from the one before in its words alone. In JSON, words end at the first quotation mark that is not
escaped; if what stands before them and behind them is the same, so is all that the event says. Some providers fill up
events to hide their length, with blanks or with a string of its own; that may differ, too.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Behind the words: the filler of OpenAI, and that of Anthropic.
STRING = re.compile(rb'^(.*"obfuscation":")[^"\\]*("[^"]*)$', re.DOTALL)
BLANKS = re.compile(rb"^([^ ]*) *(}\n\n)$")


class Shape(NamedTuple):
    """`head` and `tail`: what stands before the words, and behind them where there is no filler.

    `before` and `after`: what stands around the filler; `blank`: it consists of blanks.
    """

    head: bytes
    tail: bytes
    before: bytes
    after: bytes
    blank: bool

    def words(self, chunk: bytes) -> str | None:
        """What an event adds; None: it is not of this shape."""
        head = self.head
        if not chunk.startswith(head):
            return None
        began = len(head)
        ended = chunk.find(b'"', began)
        words, tail = chunk[began:ended], chunk[ended:]
        if tail != self.tail and not self._filled(tail):
            return None
        try:
            said = words.decode()
        except UnicodeDecodeError:
            return None
        # Control characters are no JSON; a joiner at the end waits for its other side.
        return said if said and "\\" not in said and said.isprintable() else None

    def _filled(self, tail: bytes) -> bool:
        before, after = self.before, self.after
        if not before or len(tail) < len(before) + len(after):
            return False
        if not tail.startswith(before) or not tail.endswith(after):
            return False
        filler = tail[len(before) : len(tail) - len(after)]
        return not filler.strip(b" ") if self.blank else b'"' not in filler and b"\\" not in filler


def shape_of(chunk: bytes, said: str) -> Shape | None:
    """The shape of an event that adds `said`; None: its words stand there twice, or not as they are."""
    quoted = b'"' + said.encode("utf-8", "surrogatepass") + b'"'
    if "\\" in said or '"' in said or chunk.count(quoted) != 1 or chunk.count(b"\n\n") != 1:
        return None
    head, _, behind = chunk.partition(quoted)
    tail = b'"' + behind
    filled = STRING.match(tail)
    blank = None if filled else BLANKS.match(tail)
    found = filled or blank
    before, after = (b"", b"") if found is None else found.groups()
    return Shape(head + b'"', tail, before, after, blank is not None)
