"""Imports that the standard library of the target Python no longer has, or does not have yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight.checks import imports_tables as tables
from guardrails.preflight.checks.imports import STDLIB
from guardrails.preflight.checks.imports_sites import weight
from guardrails.preflight.rule import weakened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.checks.imports_sites import Scan, Site
    from guardrails.preflight.checks.imports_tables import Version


def check(scan: Scan) -> Iterator[Finding]:
    project = scan.project
    target = project.target
    if not target.pinned:
        return  # the Python that happens to run the gate says nothing about the project
    pin = project.layout.pin
    # "this version or newer": what is gone at the bound stays gone, what is new above it may be there after all.
    exact = pin is None or pin.exact or target.place != pin.place
    told = set()
    for site in scan.stdlib:
        said = _lacking(site, target.version)
        key = (site.module.path, site.line, said)
        if said is None or key in told:
            continue
        what, is_gone, version = said
        # Under a condition, most of all one on the version, the code is prepared.
        if weight(site) is not Severity.ERROR or (is_gone and _has_backport(scan, what)):
            continue
        told.add(key)
        is_name = what == f"{site.dotted}.{site.name}"
        severity = Severity.ERROR if is_gone or exact else Severity.WARNING
        since = (
            f"gone since Python {version[0]}.{version[1]}" if is_gone else f"new in Python {version[0]}.{version[1]}"
        )
        it_is = "is for" if exact else "admits"
        yield STDLIB.at(
            site.module.path,
            site.name_line if is_name else site.line,
            f"`{site.text}`: {what} is {since}, and the project {it_is} {target.label} ({target.place})",
            severity=weakened(severity, site.module.role),
        )


def _lacking(site: Site, version: Version) -> tuple[str, bool, Version] | None:
    """What of an import the version lacks, whether it is gone (or still to come), and the version in which it changed."""
    first = site.dotted.partition(".")[0]
    for module in (first, site.dotted, f"{site.dotted}.{site.name}"):
        if module in tables.GONE and version >= tables.GONE[module]:
            return module, True, tables.GONE[module]
        if module in tables.NEW and version < tables.NEW[module]:
            return module, False, tables.NEW[module]
    if site.name is None:
        return None
    gone = tables.NAMES_GONE.get(site.dotted, {}).get(site.name)
    if gone is not None and version >= gone:
        return f"{site.dotted}.{site.name}", True, gone
    new = tables.NAMES_NEW.get(site.dotted, {}).get(site.name)
    if new is not None and version < new:
        return f"{site.dotted}.{site.name}", False, new
    return None


def _has_backport(scan: Scan, module: str) -> bool:
    names = tables.BACKPORTS.get(module, set()) | {f"standard-{module}"}
    return not names.isdisjoint(scan.project.layout.requirements)
