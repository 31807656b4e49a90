"""GR-LIVE: what only a run shows: imports that fail, crash, hang, or do more than import; an environment that lacks.

    sys.path of the entry point ─► look around, nothing executed ─► set-up and imports, contained ─► findings

Runs in the application's interpreter, and only what `[tool.guardrails.imports]` and `.environment` name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight import contained
from guardrails.preflight.context import CannotTell, Skip
from guardrails.preflight.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.context import Context

_VERIFY = "guardrails preflight --select GR-LIVE"
_RUNBOOK = "import-crash"

ABSENT = Rule(
    id="GR-LIVE-001",
    title="a module or an attribute that is not there",
    severity=Severity.ERROR,
    why="The service stops at start-up, or at the first request that imports it.",
    fix="Correct the name, or install the distribution that provides it.",
    verify=_VERIFY,
    bad='[tool.guardrails.imports]\ncritical = ["redis.asyncoi", "openai:AsyncOpenAi"]',
    good='[tool.guardrails.imports]\ncritical = ["redis.asyncio", "openai:AsyncOpenAI"]',
    runbook=_RUNBOOK,
)
RAISES = Rule(
    id="GR-LIVE-002",
    title="an import that raises",
    severity=Severity.ERROR,
    why="Whoever imports it gets the error: a service that does not start, a worker without its tasks.",
    fix="Mend what raises, at the place that is named.",
    verify=_VERIFY,
    bad='KEY = os.environ["OPENAI_API_KEY"]        # KeyError at import, where it is not set',
    good='def key() -> str:\n    return os.environ["OPENAI_API_KEY"]   # the error comes where somebody can handle it',
    runbook=_RUNBOOK,
)
ENDS = Rule(
    id="GR-LIVE-003",
    title="an import that ends the process",
    severity=Severity.ERROR,
    why="A crash or an exit at import takes the whole service along, with status 0 without a trace.",
    fix="Remove the exit from the module; for a crash in C try other versions of the library and of what it links.",
    verify=_VERIFY,
    bad='if not os.environ.get("LICENSE"):\n    os._exit(0)',
    good='if not os.environ.get("LICENSE"):\n    raise RuntimeError("LICENSE is not set")',
    runbook=_RUNBOOK,
)
HANGS = Rule(
    id="GR-LIVE-004",
    title="an import that does not end within the deadline",
    severity=Severity.ERROR,
    why="The service hangs at start-up, mostly on a host that does not answer, until something kills it.",
    fix="Move the waiting into a function with a timeout; where it is only slow, raise `deadline`.",
    verify=_VERIFY,
    bad="while not database.ready():     # at the top of the module\n    time.sleep(1)",
    good="def start() -> None:            # called by the application, with a limit\n    wait_for(database.ready, timeout=30)",
    runbook=_RUNBOOK,
)
EFFECT = Rule(
    id="GR-LIVE-005",
    title="an import that does more than import",
    severity=Severity.ERROR,
    why="Start-up, tests and every tool that imports it depend on what it reaches, starts or changes.",
    fix="Move it into a function that the application calls when it starts.",
    verify=_VERIFY,
    bad='PRICES = httpx.get("https://prices.example.org").json()',
    good='@cache\ndef prices() -> dict:\n    return httpx.get("https://prices.example.org").json()',
    runbook=_RUNBOOK,
)
SLOW = Rule(
    id="GR-LIVE-006",
    title="an import over its budget of CPU time",
    severity=Severity.ERROR,
    why="Every start, every worker and every cold instance pays for it before the first request.",
    fix="Import the heavy part in the function that needs it, or raise the budget.",
    verify=_VERIFY,
    bad="import pandas                   # for one report a day",
    good="def report() -> bytes:\n    import pandas",
    runbook=_RUNBOOK,
)
ORDER = Rule(
    id="GR-LIVE-007",
    title="an import that works only behind another",
    severity=Severity.ERROR,
    why="A worker, a test or a shell that imports it first fails, while the service works by luck.",
    fix="Import in the module itself what it needs, or break the cycle.",
    verify=_VERIFY,
    bad="import concurrent\npool = concurrent.futures.ThreadPoolExecutor()",
    good="import concurrent.futures\npool = concurrent.futures.ThreadPoolExecutor()",
    runbook=_RUNBOOK,
)
TAKEN = Rule(
    id="GR-LIVE-008",
    title="a file of the project in place of an installed module",
    severity=Severity.ERROR,
    why="Whoever imports the library gets this file instead: AttributeError or ImportError in code that did not change.",
    fix="Rename it, or move it into the application's package.",
    verify=_VERIFY,
    bad="redis.py          # beside main.py, while redis is installed",
    good="app/cache.py",
    runbook=_RUNBOOK,
)
CONFLICT = Rule(
    id="GR-LIVE-009",
    title="an installed distribution whose requirement is not met",
    severity=Severity.WARNING,
    why="It was released for other versions than those that run here: what breaks shows on a rare path.",
    fix="Install versions that agree, or name the distribution in `allow_conflicts`.",
    verify=_VERIFY,
    bad="celery 5.5 requires kombu<5.6, kombu 5.7 is installed",
    good="celery 5.5 and kombu 5.5",
    runbook=_RUNBOOK,
)
UNSET = Rule(
    id="GR-LIVE-010",
    title="settings that this environment does not satisfy",
    severity=Severity.ERROR,
    why="The service stops at start-up, or at the first use of the setting.",
    fix="Set the variable in the environment of the service, in the form that the message names.",
    verify=_VERIFY,
    bad="DATABASE_URL is not set where the service starts",
    good="DATABASE_URL=postgresql://db/app",
    runbook=_RUNBOOK,
)
COMMAND = Rule(
    id="GR-LIVE-011",
    title="an installed command that points to nothing",
    severity=Severity.WARNING,
    why="Whoever starts it gets an ImportError: a container that does not start, a job that never ran.",
    fix="Start what there is, or install a release of the distribution whose command works.",
    verify=_VERIFY,
    bad='[project.scripts]\nserve = "acme.server:main"    # acme/server.py was removed',
    good='[project.scripts]\nserve = "acme.cli:main"',
    runbook=_RUNBOOK,
)
MIXED = Rule(
    id="GR-LIVE-012",
    title="a folder of the project that a distribution installs as well",
    severity=Severity.WARNING,
    why="Which of the two is imported depends on the order of sys.path: tools that append the project get the other one.",
    fix="Install a release without that folder, and report it: it was packed by mistake.",
    verify=_VERIFY,
    bad="tests/__init__.py          # and one in site-packages/tests",
    good="tests/__init__.py          # the only one",
    runbook=_RUNBOOK,
)
RULES = (ABSENT, RAISES, ENDS, HANGS, EFFECT, SLOW, ORDER, TAKEN, CONFLICT, UNSET, COMMAND, MIXED)


def check(context: Context) -> Iterator[Finding]:
    imports, settings = context.config.imports, context.config.environment.settings
    if not (imports.critical or imports.optional or settings):
        raise Skip("nothing is named in [tool.guardrails.imports] and [tool.guardrails.environment]")
    if not contained.WHERE:
        raise Skip("imports are contained by fork, which Linux and macOS have")
    from guardrails.preflight.checks import live_findings, live_jobs

    run = live_jobs.Run(context)
    try:
        run.look_around()
        run.do_jobs()
    except contained.Broken as exc:
        run.is_broken = True
        yield from live_findings.findings(run)
        raise CannotTell(f"{run.python}: {exc}") from exc
    finally:
        context.notes += live_findings.notes(run)
    yield from live_findings.findings(run)
