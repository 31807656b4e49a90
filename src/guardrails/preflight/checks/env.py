"""GR-ENV: environment keys that one side names and the other does not know, and checks of them that never run.

    set, and nobody reads it                       001        read, and described nowhere           002
    the two differ by a slip of the pen            003        set twice in one file                 004
    a check of the environment at image build      005        one that nothing calls                006

A key counts as read wherever its name stands in anything but a line that sets it. Values are never shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails.evidence import Severity
from guardrails.preflight.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails.evidence import Finding
    from guardrails.preflight.context import Context

_VERIFY = "guardrails preflight --static --select GR-ENV"

UNREAD = Rule(
    id="GR-ENV-001",
    title="an environment key that is set and that nothing reads",
    severity=Severity.WARNING,
    why="Whoever sets it believes that it works: a limit or a switch that changes nothing is found out in an incident.",
    fix="Delete the line, or read the key where it was meant to be read.",
    verify=_VERIFY,
    bad="# .env.example\nMEMORY_TIMEOUT=5   # since the client was exchanged, nobody reads it",
    good='# .env.example\nMEMORY_TIMEOUT=5\n# app/memory.py\nTIMEOUT = float(os.environ["MEMORY_TIMEOUT"])',
    runbook="env-keys",
)
UNDOCUMENTED = Rule(
    id="GR-ENV-002",
    title="an environment key that is needed and described nowhere",
    severity=Severity.WARNING,
    why="Who sets up an environment from the example learns of it from a KeyError, in a container that does not start.",
    fix="Add the key to the example file, or give it a default.",
    verify=_VERIFY,
    bad='# .env.example: DATABASE_URL=\nBROKER = os.environ["BROKER_URL"]   # app/tasks.py',
    good='# .env.example: DATABASE_URL=  BROKER_URL=\nBROKER = os.environ["BROKER_URL"]   # app/tasks.py',
    runbook="env-keys",
)
MISSPELT = Rule(
    id="GR-ENV-003",
    title="an environment key that is set under a misspelt name",
    severity=Severity.ERROR,
    why="The code asks for the other name: it fails at start, or runs with its default while everybody believes otherwise.",
    fix="Correct the name where it is set.",
    verify=_VERIFY,
    bad='# .env.example: DATABSE_URL=postgres://…\nURL = os.environ["DATABASE_URL"]   # KeyError at import',
    good='# .env.example: DATABASE_URL=postgres://…\nURL = os.environ["DATABASE_URL"]',
    runbook="env-keys",
)
TWICE = Rule(
    id="GR-ENV-004",
    title="an environment key with two values in one file",
    severity=Severity.WARNING,
    why="The last line wins, in some readers the first: who changes the other one changes nothing.",
    fix="Delete one of the two lines, or comment it out.",
    verify=_VERIFY,
    bad="LOG_LEVEL=info\nDATABASE_URL=\nLOG_LEVEL=debug",
    good="LOG_LEVEL=info\nDATABASE_URL=",
    runbook="env-keys",
)
AT_BUILD = Rule(
    id="GR-ENV-005",
    title="a check of the environment that runs when the image is built",
    severity=Severity.WARNING,
    why="It sees the environment of the build, never that of the deployment: a missing key passes or stops the wrong thing.",
    fix="Run it in the entrypoint before the server starts, not in RUN.",
    verify=_VERIFY,
    bad='RUN python check_env.py\nCMD ["uvicorn", "app.main:app"]',
    good='CMD ["sh", "-c", "python check_env.py && exec uvicorn app.main:app"]',
    runbook="env-keys",
)
UNCALLED = Rule(
    id="GR-ENV-006",
    title="a check of the environment that nothing calls",
    severity=Severity.WARNING,
    why="It looks like a safety net and is none: the service starts without the keys that it was written to ask for.",
    fix="Call it where the service starts, or delete it.",
    verify=_VERIFY,
    bad='def check_environment() -> None:   # named nowhere else in the project\n    os.environ["DATABASE_URL"]',
    good="@asynccontextmanager\nasync def lifespan(app):\n    check_environment()\n    yield",
    runbook="env-keys",
)
RULES = (UNREAD, UNDOCUMENTED, MISSPELT, TWICE, AT_BUILD, UNCALLED)


def check(context: Context) -> Iterator[Finding]:
    # In-function: most projects that are small or are libraries have none of these files, and pay for none.
    from guardrails.preflight.checks import env_places

    places = env_places.find(context.project)
    if any(places):
        from guardrails.preflight.checks import env_keys

        yield from env_keys.check(context, places)
    suspects = env_places.suspects(context.project)
    if suspects or any(image.runs for _, image in places.images):
        from guardrails.preflight.checks import env_wiring

        yield from env_wiring.check(context.project, places, suspects)
