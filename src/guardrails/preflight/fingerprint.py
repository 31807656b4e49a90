"""Fingerprints: how a finding is known again after its lines have moved and its neighbours got other names.

Made of the rule, the path and the text of the line itself, its blanks apart; findings that agree in all
three are numbered from above. A finding about a whole file has its message for a text, numbers apart.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from guardrails.evidence import Finding

DIGITS = 16


def fingerprinted(findings: Iterable[Finding], base: Path) -> list[Finding]:
    """The findings in the same order, each with its fingerprint. `base`: the folder that paths are relative to.

    16 hexadecimal digits of a SHA-256, so that no secret in a line can be read from them and two of a million
    findings agree by chance with a probability of 3 in 100 million.
    """
    findings = list(findings)
    lines: dict[str, list[bytes]] = {}
    seen: Counter[tuple[str, str, bytes]] = Counter()
    prints: dict[int, str] = {}
    order = sorted(range(len(findings)), key=lambda n: (findings[n].path, findings[n].line or 0, findings[n].message))
    for number in order:
        finding = findings[number]
        key = finding.rule, finding.path, _text(finding, base, lines)
        parts = (key[0].encode(), os.fsencode(key[1]), key[2], b"%d" % seen[key])
        seen[key] += 1
        prints[number] = hashlib.sha256(b"\0".join(parts)).hexdigest()[:DIGITS]
    return [finding._replace(fingerprint=prints[number]) for number, finding in enumerate(findings)]


def _text(finding: Finding, base: Path, lines: dict[str, list[bytes]]) -> bytes:
    if finding.line is None:
        return os.fsencode(re.sub(r"\d+", "", finding.message))
    if finding.path not in lines:
        try:
            lines[finding.path] = (base / finding.path).read_bytes().splitlines()
        except OSError:  # gone while the gate ran
            lines[finding.path] = []
    known = lines[finding.path]
    return b" ".join(known[finding.line - 1].split()) if finding.line <= len(known) else b""
