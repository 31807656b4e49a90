"""The baseline: what was known of an old code base when the gate came, so that only new findings fail it.

One JSON object a line, sorted, so that git merges two branches without a conflict and a reviewer sees what
came and went. What a baseline knows stays in every output; what was mended is asked for its removal.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.errors import ConfigError
from guardrails.preflight.waivers import MENDED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any, Self

    from guardrails.evidence import Finding, GateRecord

VERSION = 1
_HEAD = {"guardrails_baseline": VERSION}
_SHAPES = {"path": r"(?s).+", "rule": r"GR-[A-Z]+-\d{3}", "fingerprint": r"[0-9a-f]{16}"}
_FAMILY = MENDED.family


class Entry(NamedTuple):
    """One known finding and the line of the file in which it stands."""

    path: str
    rule: str
    fingerprint: str
    line: int


class Baseline(NamedTuple):
    """The known findings by fingerprint; None where whatever is found shall be known, to be written down.

    `place`: the file's path relative to the project, for findings about its entries.
    """

    place: str
    entries: Mapping[str, Entry] | None

    @classmethod
    def read(cls, file: Path, project: Path) -> Self:
        """The baseline in `file`. Raises ConfigError with every line that is malformed."""
        try:
            # Not splitlines: a path may hold what Python takes for the end of a line.
            lines = file.read_text("utf-8").removesuffix("\n").split("\n")
        except FileNotFoundError as exc:
            raise ConfigError([f"{file}: no such baseline; --write-baseline {file} makes it"]) from exc
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError([f"{file}: the baseline cannot be read: {exc}"]) from exc
        if _parsed(lines[0]) != _HEAD:
            raise ConfigError([f"{file}:1: no baseline of version {VERSION}: --write-baseline {file} makes one"])
        problems: list[str] = []
        entries = {}
        for number, line in enumerate(lines[1:], 2):
            said = _parsed(line)
            if not _is_entry(said):
                problems.append(f"{file}:{number}: no finding: delete the line, or renew the file by --write-baseline")
            else:
                entries[said["fingerprint"]] = Entry(**said, line=number)
        if problems:
            raise ConfigError(problems)
        return cls(_relative(file, project), entries)

    @classmethod
    def anew(cls, file: Path, project: Path) -> Self:
        """A baseline of whatever will be found, for `baseline_text`."""
        return cls(_relative(file, project), None)

    def apply(self, findings: Iterable[Finding], ran: Collection[str], unread: Collection[str]) -> Iterator[Finding]:
        """The findings, known where the baseline holds them, and one finding for each entry that was mended.

        `ran`: the families that ran, `unread`: the files that could not be analysed: others are not judged.
        """
        present = set()
        for finding in findings:
            present.add(finding.fingerprint)
            held = self.entries is None or finding.fingerprint in self.entries
            about_excuses = finding.rule.startswith(f"{_FAMILY}-")  # never known: it would excuse an excuse
            yield finding if about_excuses or finding.waived or not held else finding._replace(known=True)
        for entry in (self.entries or {}).values():
            judged = entry.rule.rpartition("-")[0] in ran and entry.path not in unread
            if judged and entry.fingerprint not in present:
                said = f"the baseline holds a {entry.rule} in {entry.path} that is no longer there: it can be removed"
                yield MENDED.at(self.place, entry.line, said)._replace(fingerprint=entry.fingerprint)


def baseline_text(record: GateRecord) -> str:
    """The file that knows what the record calls known."""
    entries = sorted({(f.path, f.rule, f.fingerprint) for f in record.findings if f.known})
    objects = [_HEAD, *(dict(zip(_SHAPES, entry, strict=True)) for entry in entries)]
    text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)
    # The half of a surrogate pair as the escape that JSON has for it.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_entry(said: Any) -> bool:
    return (
        isinstance(said, dict)
        and said.keys() == _SHAPES.keys()
        and all(isinstance(text := said[name], str) and re.fullmatch(shape, text) for name, shape in _SHAPES.items())
    )


def _relative(file: Path, project: Path) -> str:
    inside = os.path.relpath(file.absolute(), project.absolute()).replace(os.sep, "/")
    return file.name if inside.startswith("../") else inside
