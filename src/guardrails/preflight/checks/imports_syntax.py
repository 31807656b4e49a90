"""Modules that the target Python cannot parse, and that something imports or starts.

The others are told as not analysed, whichever checks run.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight.checks.imports import SYNTAX
from guardrails.preflight.rule import weakened
from guardrails.source.files import role_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.checks.imports_sites import Scan

# Files that name the modules with which a program starts.
STARTERS = ("pyproject.toml", "setup.cfg", "setup.py", "entry_points.txt", "Procfile", "Dockerfile")


def check(scan: Scan) -> Iterator[Finding]:
    project = scan.project
    pin = project.layout.pin
    sure = [edge for edges in scan.edges.values() for edge in edges if not edge.conditional]
    imported = {path for edge in sure for path in edge.reached}
    for path, line, reason in project.rejected:
        if path in imported or _starts_something(scan, path):
            # A bound admits newer versions, on which the file may be fine.
            bound = "needs Python" in reason and pin is not None and not pin.exact and pin.place == project.target.place
            severity = Severity.WARNING if bound else Severity.ERROR
            yield SYNTAX.at(path, line, f"{path} {reason}", severity=weakened(severity, role_of(path)))


def _starts_something(scan: Scan, path: str) -> bool:
    """Whether a script or a start command names this module."""
    project = scan.project
    top = scan.reach.top(posixpath.dirname(path))
    dotted = path.removeprefix(f"{top}/" if top else "").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    named = re.compile(rf"(?<![\w.]){re.escape(dotted)}:\w")
    files = [name for name in project.others if posixpath.basename(name) in STARTERS]
    # METADATA's neighbours lie in folders that end in .dist-info.
    return any(named.search(text_of(project.base / name)) for name in files)
