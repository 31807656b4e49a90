"""GR-IMPORT: an import of the project's own code that cannot work, found before the process dies of it.

    facts ─► imports_sites      every import, held against the files and names that are there
              ├─ imports_absent   what is missing, unless something may still provide it   001 002 003 005
              ├─ imports_cycles   the order in which modules run, played through           004
              ├─ imports_stdlib   what the target's standard library lacks                 006
              └─ here             files that the target cannot parse                       007

An import in a `try` or a `with` is expected to fail; under an `if` it warns; for type checkers alone it never runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.context import Context

_VERIFY = "guardrails preflight --static --select GR-IMPORT"

MODULE = Rule(
    id="GR-IMPORT-001",
    title="an import of a module that the project does not have",
    severity=Severity.ERROR,
    why="ModuleNotFoundError as soon as the line runs: at the top of a module the process does not start.",
    fix="Correct the name, add the file, or delete the import.",
    verify=_VERIFY,
    bad="from app.services.billing import charge   # app/services/ has no billing.py",
    good="from app.services.payments import charge",
    runbook="import-fails",
)
NAME = Rule(
    id="GR-IMPORT-002",
    title="an import of a name that the module does not have",
    severity=Severity.ERROR,
    why="ImportError as soon as the line runs: at the top of a module the process does not start.",
    fix="Correct the name, define it there, or import it from where it is.",
    verify=_VERIFY,
    bad="from app.db import get_sesion   # app/db.py defines get_session",
    good="from app.db import get_session",
    runbook="import-fails",
)
IGNORED = Rule(
    id="GR-IMPORT-003",
    title="an import of a file that git ignores",
    severity=Severity.ERROR,
    why="It works where the file was written and nowhere else: a clone, the CI and the image lack it.",
    fix="Anchor the pattern (`/data/`), or except the folder from it (`!app/data/`), and add the files to git.",
    verify=_VERIFY,
    bad="# .gitignore: data/\nfrom app.data.loader import load   # app/data/ was never committed",
    good="# .gitignore: /data/\nfrom app.data.loader import load",
    runbook="import-fails",
)
CYCLE = Rule(
    id="GR-IMPORT-004",
    title="a circular import that fails",
    severity=Severity.ERROR,
    why="ImportError from a partially initialised module: the name is imported before the line that binds it has run.",
    fix="Move the shared name into a module that imports neither, or import it inside the function that uses it.",
    verify=_VERIFY,
    bad="# app/models.py: from app.db import save; class User: ...\nfrom app.models import User   # app/db.py",
    good="# app/models.py: class User: ...   (no import of app.db at its top)\nfrom app.models import User   # app/db.py",
    runbook="import-fails",
)
PROMISE = Rule(
    id="GR-IMPORT-005",
    title="a name in __all__ that the module does not have",
    severity=Severity.ERROR,
    why="`from … import *` ends with AttributeError, and whoever trusts the list imports what is not there.",
    fix="Correct or delete the entry; a comma that is missing joins two entries into one.",
    verify=_VERIFY,
    bad='__all__ = ["create", "delete" "update"]   # "deleteupdate"',
    good='__all__ = ["create", "delete", "update"]',
    runbook="import-fails",
)
STDLIB = Rule(
    id="GR-IMPORT-006",
    title="an import that the standard library of the target Python does not have",
    severity=Severity.ERROR,
    why="ImportError on the Python that the project is for, though it works on the one it was written with.",
    fix="Use what replaced it, declare a backport, or change the version in the place named.",
    verify=_VERIFY,
    bad="from distutils.util import strtobool   # the image is python:3.12",
    good='TRUE = {"1", "true", "yes", "on"}',
    runbook="import-fails",
)
SYNTAX = Rule(
    id="GR-IMPORT-007",
    title="a module that the target Python cannot parse",
    severity=Severity.ERROR,
    why="SyntaxError when it is imported: nothing in it exists, and who imports it fails too.",
    fix="Correct the syntax, or change the version in the place named.",
    verify=_VERIFY,
    bad="def f(x: int) -> str return str(x)",
    good="def f(x: int) -> str: return str(x)",
    runbook="import-fails",
)
RULES = (MODULE, NAME, IGNORED, CYCLE, PROMISE, STDLIB, SYNTAX)


def check(context: Context) -> Iterator[Finding]:
    project = context.project
    if not project.rejected and not any("imports" in m.facts or "all" in m.facts for m in project.modules.values()):
        return
    # In-function: a project without imports, such as an empty one, need not load what resolves them.
    from guardrails.preflight.checks import (
        imports_absent,
        imports_cycles,
        imports_sites,
        imports_stdlib,
        imports_syntax,
    )

    scan = imports_sites.scan(project)
    yield from imports_absent.check(scan)
    yield from imports_cycles.check(scan)
    yield from imports_stdlib.check(scan)
    yield from imports_syntax.check(scan)
