"""What `import guardrails` adds to a process that may never use it."""

from __future__ import annotations

import sys

from loadtests.bench.harness import Figure, Process, printed


def _python(name: str, code: str) -> Process:
    return Process(name=name, argv=(sys.executable, "-I", "-c", code))


def _modules(name: str, imports: str) -> Process:
    code = f"import {imports}; print(len(sys.modules))"
    return Process(name=name, argv=(sys.executable, "-I", "-c", code), reads=printed)


BARE = _python("a bare interpreter", "pass")

FIGURES = [
    Figure(
        id="front-door-import",
        what="`import guardrails`",
        target=1.3,
        ours=_python("import guardrails", "import guardrails"),
        baseline=BARE,
        rounds=41,
    ),
    Figure(
        id="front-door-modules",
        what="modules that `import guardrails` loads",
        target=7,
        ours=_modules("import guardrails", "sys, guardrails"),
        baseline=_modules("a bare interpreter", "sys"),
        compare="difference",
        rounds=3,
    ),
    Figure(
        id="front-door-first-name",
        what="`from guardrails import Guard`",
        target=3,
        ours=_python("from guardrails import Guard", "from guardrails import Guard"),
        baseline=BARE,
        rounds=41,
    ),
]
