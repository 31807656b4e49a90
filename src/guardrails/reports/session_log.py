"""What may be done to the sessions of a working tree, and what is said where it may not: each time the next command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.errors import GuardrailsError
from guardrails.reports.session_store import SessionStore, clean
from guardrails.reports.sessions import ABANDONED, ACTIVE, COMPLETE, OVER, PAUSED, PLANNED
from guardrails.reports.ulid import make_ulid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardrails.reports.session_store import Kept
    from guardrails.reports.sessions import Item, Session

START = "`guardrails session start NAME` begins one"


class SessionLog(SessionStore):
    """The sessions of one working tree, and every way to change them; decided and written under one lock."""

    def find(self, kept: Sequence[Kept], name: str | None) -> Kept:
        """The session of that name or id; without one, what runs here, else what was last touched.

        Raises GuardrailsError: none at all, no such name (with the nearest), several of one name.
        """
        if not kept:
            raise GuardrailsError(f"there is no session here yet: {START}")
        if name is None:
            return self.current(kept) or max(kept, key=lambda one: one.session.newest)
        same = [one for one in kept if name in {one.session.name, one.session.id}]
        if not same:
            raise GuardrailsError(_no_such(name, [one.session.name for one in kept]))
        alive = [one for one in same if one.session.state not in OVER]
        if len(alive) > 1:
            ids = ", ".join(one.session.id for one in alive)
            raise GuardrailsError(f"{len(alive)} sessions are called {name!r}: name one by its id: {ids}")
        return (alive or same)[0]

    def create(self, name: str, by: dict[str, str], *, goal: str = "", approach: str = "") -> Session:
        """Plan a session. Raises GuardrailsError when one of that name is not over yet."""
        with self.writing():
            return self._create(clean("NAME", name), by, goal, approach)

    def start(self, name: str, by: dict[str, str], *, goal: str = "", approach: str = "") -> Session:
        """Begin a planned session, or a new one. Raises GuardrailsError while another runs here."""
        with self.writing():
            name = clean("NAME", name)
            kept = self.read()
            self._require_none_here(kept)
            planned = next((k.session for k in kept if k.session.name == name and k.session.state == PLANNED), None)
            if planned is None:
                planned = self._create(name, by, goal, approach)
            elif goal or approach:
                self.append(planned.id, "change", by, goal=goal, approach=approach)
            return self._begin(planned.id, "start", by)

    def resume(self, name: str | None, by: dict[str, str]) -> Session:
        """Go on with a paused session: the one named, else the one paused last."""
        with self.writing():
            kept = self.read()
            paused = [one for one in kept if one.session.state == PAUSED]
            if name is None and not paused:
                running = self.current(kept)
                raise GuardrailsError(f"no session is paused: {f'{running.session.name!r} runs' if running else START}")
            session = (_latest(paused) if name is None else self.find(kept, name)).session
            if session.state != PAUSED:
                raise GuardrailsError(f"session {session.name!r} is {session.state}, not paused: {_next_step(session)}")
            self._require_none_here(kept)
            return self._begin(session.id, "resume", by)

    def pause(self, by: dict[str, str], name: str | None = None, *, reason: str = "") -> Session:
        """Stop the clock of the session that runs here, or of the one named."""
        with self.writing():
            return self.append(self._chosen(name, (ACTIVE,)).id, "pause", by, text=reason).session

    def end(self, by: dict[str, str], name: str | None = None, *, abandoned: bool = False, text: str = "") -> Session:
        """End the session that runs here, or the one named.

        Raises GuardrailsError while tasks or criteria of it are open, unless it is abandoned.
        """
        with self.writing():
            chosen = self._chosen(name)
            left = [item.ref for item in chosen.of_kind("task", "criterion") if item.state in {"open", "blocked"}]
            if left and not abandoned:
                raise GuardrailsError(
                    f"{chosen.name!r} is not complete, open: {', '.join(left)}. `guardrails session task tick REF`, "
                    "`task defer REF --reason …`, or end it with --abandoned"
                )
            outcome = ABANDONED if abandoned else COMPLETE
            return self.append(chosen.id, "end", by, outcome=outcome, text=text).session

    def add_item(self, kind: str, text: str, by: dict[str, str], name: str | None = None, **said: Any) -> Item:
        """Something to tick later; `said`: priority, estimate in minutes, owner."""
        with self.writing():
            chosen = self._chosen(name)
            number = max((item.number for item in chosen.of_kind(kind)), default=0) + 1
            fields = {"kind": kind, "number": number, "text": text, **said}
            return self.append(chosen.id, "item", by, **fields).session.items[-1]

    def change_item(self, how: str, ref: str, by: dict[str, str], name: str | None = None, **said: Any) -> Item:
        """`how`: tick, untick, block or defer. Raises GuardrailsError for an item that is not there."""
        with self.writing():
            chosen = self._chosen(name)
            item = next((item for item in chosen.items if item.ref.casefold() == ref.strip().casefold()), None)
            if item is None:
                there = ", ".join(item.ref for item in chosen.items[:20]) or "none"
                raise GuardrailsError(f"no item {ref!r} in session {chosen.name!r}; there are: {there}")
            after = self.append(chosen.id, how, by, item=item.id, **said).session
            return next(changed for changed in after.items if changed.id == item.id)

    def record(
        self, kind: str, by: dict[str, str], name: str | None = None, /, **said: Any
    ) -> tuple[Session, dict[str, Any]]:
        """Any other event in the session that runs here, or the one named; the session then, and the event."""
        with self.writing():
            kept = self.append(self._chosen(name).id, kind, by, **said)
            return kept.session, kept.events[-1]

    def _chosen(self, name: str | None, states: Sequence[str] = (ACTIVE, PAUSED, PLANNED)) -> Session:
        """What a change is meant for: the session that runs here, or the one named if it is in one of `states`."""
        kept = self.read()
        if name is not None:
            session = self.find(kept, name).session
            if session.state not in states:
                raise GuardrailsError(f"session {name!r} is {session.state}: {_next_step(session)}")
            return session
        running = self.current(kept)
        if running is not None:
            return running.session
        several = sorted(one.session.name for one in kept if one.session.state == ACTIVE)
        if several:
            raise GuardrailsError(f"several sessions run: {', '.join(several)}: name one with --session NAME")
        alive = [one for one in kept if one.session.state not in OVER]
        raise GuardrailsError(f"no session runs here: {_next_step(_latest(alive).session) if alive else START}")

    def _require_none_here(self, kept: Sequence[Kept]) -> None:
        """Only what was begun here: that somebody else's session runs, as a merge may bring it, is no hindrance."""
        pointed = self.begun_here()
        here = [k.session.name for k in kept if k.session.id == pointed and k.session.state == ACTIVE]
        if here:
            raise GuardrailsError(
                f"session {here[0]!r} runs here: `guardrails session pause` or `guardrails session end` comes first"
            )

    def _create(self, name: str, by: dict[str, str], goal: str, approach: str) -> Session:
        kept = self.read()
        alive = [one.session for one in kept if one.session.name == name and one.session.state not in OVER]
        if alive:
            raise GuardrailsError(f"session {name!r} is there and {alive[0].state}: {_next_step(alive[0])}")
        made = make_ulid(self.clock(), max((one.session.id for one in kept), default=""))
        return self.append(made, "create", by, name=name, goal=goal, approach=approach).session

    def _begin(self, session_id: str, kind: str, by: dict[str, str]) -> Session:
        begun = self.append(session_id, kind, by).session
        self.remember(session_id)
        return begun


def _no_such(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = [one for one in names if one.startswith(name)] or get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"no session {name!r}; did you mean {near[0]!r}?"
    return f"no session {name!r}; there are: {', '.join(sorted(set(names))[:20])}"


def _latest(kept: Sequence[Kept]) -> Kept:
    return max(kept, key=lambda one: (one.session.changed, one.session.newest))


def _next_step(session: Session) -> str:
    if session.state == PLANNED:
        return f"`guardrails session start {_quoted(session.name)}` begins it"
    if session.state == PAUSED:
        return f"`guardrails session resume {_quoted(session.name)}` goes on with it"
    return "`guardrails session status` shows it" if session.state == ACTIVE else START


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
