"""Sessions on the disk: read whole, changed by one more event, under one lock for each working tree.

    .guardrails/sessions/<ULID>/<ULID>.jsonl    committed with the work
    .guardrails/cache/session, sessions.lock    of this working tree alone, ignored by git

What is written has no secrets, and can be read back: what could not is refused before.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails.errors import ConfigError, GitError, GuardrailsError
from guardrails.git import run_git
from guardrails.redact import redacted
from guardrails.reports.journal import append, locked, read_journal
from guardrails.reports.session_events import EVENTS, MOST_TEXT, is_event, stamp_of
from guardrails.reports.sessions import ACTIVE, fold
from guardrails.reports.ulid import is_ulid
from guardrails.source.parse import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from guardrails.reports.journal import Damage
    from guardrails.reports.repository import Repository
    from guardrails.reports.sessions import Session

FOLDER = ".guardrails/sessions"
POINTER = ".guardrails/cache/session"
LOCK = ".guardrails/cache/sessions.lock"


class Kept(NamedTuple):
    """A session with the events it was made of, and the lines of its folder that are none."""

    session: Session
    events: tuple[dict[str, Any], ...]
    damages: tuple[Damage, ...]

    @property
    def newer(self) -> int:
        """The version of a record that this program cannot read; 0 where it reads all."""
        return max((damage.version for damage in self.damages), default=0)


class SessionStore:
    """The sessions of one working tree.

    `clock`: seconds since 1970 UTC. Raises ConfigError for a bare repository, which has no place for them.
    """

    def __init__(self, repository: Repository, clock: Callable[[], float] = time.time) -> None:
        if repository.top is None:
            raise ConfigError([f"{repository.git_dir}: a bare repository holds no sessions: use a working tree"])
        self.repository = repository
        self.top: Path = repository.top
        self.clock = clock

    def read(self, until: float | None = None) -> list[Kept]:
        """All sessions, the one created last first, as they stood at `until` (default now).

        A folder in which no event creates a session is left out; see `strangers`.
        """
        now = self.clock() if until is None else until
        found = []
        for folder in self._folders():
            journal = read_journal(folder, is_event)
            events = journal.records if until is None else [e for e in journal.records if e["at"] <= stamp_of(until)]
            session = fold(folder.name, events, now)
            if session is not None:
                found.append(Kept(session, tuple(events), journal.damages))
        return sorted(found, key=lambda kept: kept.session.id, reverse=True)

    def strangers(self) -> list[str]:
        """Folders among the sessions in which there is none that could be read."""
        return [
            f.name for f in self._folders() if not any(e["type"] == "create" for e in read_journal(f, is_event).records)
        ]

    def current(self, kept: Sequence[Kept]) -> Kept | None:
        """The one that runs in this working tree: the one last begun here, else the only one that runs."""
        running = [one for one in kept if one.session.state == ACTIVE]
        pointed = self.begun_here()
        here = [one for one in running if one.session.id == pointed]
        return here[0] if here else running[0] if len(running) == 1 else None

    @property
    def ignored(self) -> bool:
        """Whether git ignores the sessions of this repository, so that they would never be committed."""
        try:
            run_git(["check-ignore", "--quiet", "--", f"{FOLDER}/x"], self.top)
        except GitError:
            return False
        return True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock: what is read inside stays true until it is written."""
        self._folders()
        lock = self.top / LOCK
        try:
            make_private_folder(lock.parent.parent)
            lock.parent.mkdir(exist_ok=True)
        except OSError as exc:
            raise GuardrailsError(f"{lock.parent}: nothing was recorded: {exc.strerror}") from exc
        with locked(lock):
            yield

    def append(self, session_id: str, kind: str, by: dict[str, str], /, **fields: Any) -> Kept:
        """One more event, inside `writing`; the session after it. Raises GuardrailsError when nothing was written."""
        folder = self.top / FOLDER / session_id
        before = read_journal(folder, is_event)
        newer = max((damage.version for damage in before.damages), default=0)
        if newer:
            raise GuardrailsError(f"session {session_id} was written by a newer guardrails (version {newer}): upgrade")
        now = self.clock()
        actor = {"kind": by["kind"], "name": clean("WHO", by["name"])}
        event: dict[str, Any] = {"type": kind, "at": stamp_of(now), "by": actor, **_cleaned(kind, fields)}
        event |= {"branch": self.repository.branch, "commit": self.repository.tip}
        if not is_event(event):
            raise GuardrailsError(f"{kind}: a value is missing, too long, or one of too many: nothing was recorded")
        newest = before.records[-1]["id"] if before.records else session_id
        written = append(folder, event, now=now, sealed=self._sealed(session_id), newest=newest)
        events = (*before.records, written)
        session = fold(session_id, events, now)
        if session is None:
            raise GuardrailsError(f"session {session_id} has no beginning: {folder} lacks a file")
        return Kept(session, events, before.damages)

    def begun_here(self) -> str:
        """The id of the session last begun in this working tree; empty where none is known."""
        try:
            return (self.top / POINTER).read_text("ascii").strip()
        except (OSError, ValueError):
            return ""

    def remember(self, session_id: str) -> None:
        """That it was begun here. Where that cannot be written, the only session that runs is the one."""
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(self.top / POINTER, flags, 0o666), "w", encoding="ascii") as pointer:
                pointer.write(session_id)

    def _sealed(self, session_id: str) -> set[str]:
        if self.repository.tip is None:
            return set()
        folder = f"{FOLDER}/{session_id}/"
        listing = run_git(["ls-tree", "-z", "--name-only", "--full-tree", "HEAD", "--", folder], self.top)
        return {os.fsdecode(name).rpartition("/")[2] for name in listing.split(b"\0") if name}

    def _folders(self) -> list[Path]:
        folder = self.top / FOLDER
        for place in (folder, folder.parent, (self.top / LOCK).parent):
            if place.is_symlink():
                raise GuardrailsError(f"{place}: a link could lead out of the repository: put a folder in its place")
        try:
            return sorted(f for f in folder.iterdir() if is_ulid(f.name) and f.is_dir() and not f.is_symlink())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            raise GuardrailsError(f"{folder}: cannot be read: {exc.strerror}") from exc


def clean(name: str, text: str) -> str:
    """A text that will be committed: without secrets, not empty, not a book. Raises GuardrailsError, which names it."""
    text = redacted(text.encode("utf-8", "backslashreplace").decode().strip())
    if not text:
        raise GuardrailsError(f"{name} is empty: write what is meant")
    if len(text) > MOST_TEXT:
        raise GuardrailsError(f"{name} has {len(text):,} characters, at most {MOST_TEXT:,}: put it into a file")
    return text


def _cleaned(kind: str, said: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given, without secrets: they will be committed. What may be left out is, when empty."""
    must, _ = EVENTS[kind]
    found: dict[str, Any] = {}
    for name, value in said.items():
        if isinstance(value, str):
            if name in must or value.strip():
                found[name] = clean(name.upper(), value)
        elif isinstance(value, list | tuple):
            found[name] = [clean(name.upper(), item) for item in value]
        elif value is not None:
            found[name] = value
    return found
