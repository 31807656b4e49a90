"""Facts about every file: from the cache where its content is known, else from worker processes.

    paths ── content digest ── cache hit ──────────────► facts
                 └─ miss ──► workers, one a core ──────► facts ─► cache
                               └─ grammar too new ─► one worker of a newer Python

Why children, and why JSON: docs/decisions/0003-parse-in-workers.md
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from guardrails.source import extract
from guardrails.source import target as pythons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from guardrails.source.target import Target

    Facts = dict[str, Any]

SYNTAX_ERROR = b'"syntax":true'
CACHE_FOLDER = ".guardrails/cache"
# Bytes of facts up to which the standard library decodes them: importing the faster decoder takes longer.
SMALL = 20_000


class Parser:
    """Reads and parses the files of one project under one target grammar."""

    def __init__(
        self,
        base: Path,
        target: Target,
        *,
        jobs: int | None = None,
        cached: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.base = base
        self.target = target
        self.jobs = jobs or os.cpu_count() or 1
        self.cached = cached
        self.progress = progress
        # A file that the running grammar accepts is accepted by every newer one too.
        running_is_newer = target.pinned and target.version < pythons.RUNNING
        self.feature = max(target.version, pythons.OLDEST_FEATURE) if running_is_newer else None
        self.cache = Cache(
            base / CACHE_FOLDER, f"{extract.SCHEMA}-{sys.version_info[:2]}-{target.version}-{target.pinned}"
        )
        self.notes: list[str] = []

    def parse(self, names: Sequence[str]) -> dict[str, Facts]:
        """Facts by name. What could not be analysed has the key "error" instead of content."""
        known = self.cache.load() if self.cached else {}
        facts: dict[str, Facts] = {}
        missing: list[str] = []
        raws: dict[str, bytes] = {}
        for name in names:
            key, problem = _digest_of(f"{self.base}/{name}")
            if problem is not None:
                facts[name] = {"error": problem}
            elif not key:
                facts[name] = extract.empty()
            elif (cached := _decoded(known.get(key))) is not None:
                raws[name] = known[key]
                facts[name] = cached
            else:
                missing.append(name)
        if missing:
            fresh = self._extract(sys.executable, self.feature, missing)
            self._second_opinion(fresh)
            for name, raw in fresh.items():
                facts[name] = _decoded(raw) or {"error": "the parser's answer was not understood"}
                if "error" not in facts[name]:
                    raws[name] = raw
            if self.cached:
                lines = (facts[name]["sha"].encode() + b" " + raws[name] for name in raws)
                self.notes += self.cache.store(lines)
        for name in names:
            if "error" in facts[name]:
                facts[name].update(self._in_words(facts[name]))
        # In the order of the names, not in that in which workers answered: runs must not differ.
        return {name: facts[name] for name in names}

    def _second_opinion(self, fresh: dict[str, bytes]) -> None:
        """Give what the running grammar rejects to a newer Python, where the project may run on one."""
        rejected = [name for name, raw in fresh.items() if SYNTAX_ERROR in raw]
        if not rejected:
            return
        if self.target.pinned and self.target.version <= pythons.RUNNING:
            return
        executable = pythons.newest_interpreter()
        if executable is None:
            return
        version = pythons.version_of(executable)
        feature = self.target.version if self.target.pinned and version > self.target.version else None
        fresh.update(self._extract(executable, feature, rejected))

    def _in_words(self, facts: Facts) -> Facts:
        """The reason for readers; `certain`: whether the target surely rejects the file, and no tool is lacking."""
        reason = str(facts["error"])
        if not facts.get("syntax"):
            return {"error": reason}
        needed = facts.get("needs") or pythons.needs_newer("", reason)
        if needed and not self.target.pinned:
            return {
                "error": f"needs Python ≥ {pythons.version_text(tuple(needed))}, and none was found here ({reason})"
            }
        if needed and tuple(needed) > self.target.version:
            words = (
                f"needs Python ≥ {pythons.version_text(tuple(needed))} ({reason}); "
                f"the project is for {self.target.label} ({self.target.place})"
            )
            return {"error": words, "certain": True}
        if self.target.version > pythons.RUNNING:
            return {"error": f"needs Python ≥ {self.target.label} to be parsed, and none was found here ({reason})"}
        words = f"does not parse under Python {self.target.label} ({reason})"
        return {"error": words, "certain": not reason.endswith("a template, not Python")}

    def _extract(self, executable: str, feature: tuple[int, int] | None, names: list[str]) -> dict[str, bytes]:
        from guardrails.source import workers

        results = workers.run(executable, feature, self.base, names, jobs=self.jobs, progress=self.progress)
        return {name: _with_hint(self.base, name, raw) if SYNTAX_ERROR in raw else raw for name, raw in results.items()}


class Cache:
    """Facts by content digest, one line each, in one file that is replaced as a whole.

    Plain JSON: a cache that came with a stranger's repository can be wrong, but it cannot run code.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.file = folder / "facts.jsonl"
        self.header = f"guardrails facts {key}\n".encode()

    def load(self) -> dict[str, bytes]:
        """Digest to JSON. Empty when there is no cache, or one of another version."""
        try:
            data = self.file.read_bytes()
        except OSError:
            return {}
        if not data.startswith(self.header):
            return {}
        lines = data[len(self.header) :].split(b"\n")
        # The last item is empty in a whole file; a torn one loses its last line only.
        return {line[:32].decode("ascii", "replace"): line[33:] for line in lines[:-1]}

    def store(self, lines: Iterator[bytes]) -> list[str]:
        """Replace the cache. Returns a note where it could not be written, for it costs time and not truth."""
        temporary = self.file.with_name(f"facts.{os.getpid()}.tmp")
        try:
            make_private_folder(self.file.parent.parent)
            self.file.parent.mkdir(exist_ok=True)
            temporary.write_bytes(self.header + b"".join(line + b"\n" for line in lines))
            temporary.replace(self.file)
        except OSError as exc:
            return [f"the cache could not be written ({exc.strerror}): every run parses anew"]
        return []


def make_private_folder(folder: Path) -> None:
    """Make `.guardrails/`, which git ignores by a file of its own inside it."""
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("cache/\ngate/\n.gitignore\n", encoding="utf-8")


def _digest_of(path: str) -> tuple[str, str | None]:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path a file costs as much as the reading
            data = file.read(extract.MAX_BYTES + 1)
    except OSError as exc:
        return "", f"cannot be read: {exc.strerror}"
    return extract.digest(data) if data else "", None


def _hint(base: Path, name: str, facts: Facts) -> tuple[int, int] | None:
    try:
        lines = (base / name).read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    number = facts.get("line", 1)
    line = lines[number - 1] if number <= len(lines) else ""
    return pythons.needs_newer(line, str(facts["error"]))


def _with_hint(base: Path, name: str, raw: bytes) -> bytes:
    facts = _decoded(raw) or {}
    needed = _hint(base, name, facts)
    # Compact, as the worker writes it: who looks for syntax errors looks for bytes.
    return json.dumps({**facts, "needs": needed}, separators=(",", ":")).encode() if needed else raw


def _decoded(raw: bytes | None) -> Facts | None:
    """Facts from their JSON. None for what is no such thing, as in a cache that was cut short."""
    if raw is None:
        return None
    try:
        facts = _loads(raw)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and ("scopes" in facts or "error" in facts) else None


def _loads(raw: bytes) -> Any:
    if len(raw) < SMALL and "orjson" not in sys.modules:
        return json.loads(raw)
    import orjson

    return orjson.loads(raw)
