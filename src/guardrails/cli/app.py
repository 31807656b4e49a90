"""The command's frame: sub-commands loaded at first use, and no traceback for a mistake of the user's.

Exit status, one table for all commands: 0 passed · 1 a check failed · 2 usage or configuration error,
nothing ran · 3 could not find out.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from guardrails import __version__
from guardrails.errors import GuardrailsError

# Name -> module under guardrails.cli that holds `command`, and the help line, so that --help imports neither.
COMMANDS = {
    "breaker": ("breaker", "Show and hold the circuits of a running process."),
    "evidence": ("evidence", "Records of what was run and seen, for claims to lean on."),
    "explain": ("explain", "Explain a rule: the failure, bad and good code, the fix."),
    "json": ("json_lint", "Find what JSON cannot keep."),
    "preflight": ("preflight", "Run the gate over a project."),
    "report": ("report", "Reports whose figures carry their evidence."),
    "run": ("run", "Run the gate, then become a command: the entrypoint of a container."),
    "session": ("session", "Keep the working log from which reports are made."),
    "toxics": ("toxics", "A bad network in front of a service, for tests by hand."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"guardrails.cli.{COMMANDS[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GuardrailsError as exc:
            from guardrails.redact import redacted

            click.echo(f"guardrails: {redacted(str(exc))}", err=True)
            sys.exit(2)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            # click would end with 1, which says that a check failed.
            click.echo("guardrails: interrupted, nothing was found out", err=True)
            sys.exit(3)
        except Exception as exc:
            # A fault of ours: not the user's mistake (2), and not a defect of the project (1). Only the type
            # is told, because the text may hold anything and what redacts it may be what broke.
            if os.environ.get("GUARDRAILS_DEBUG"):
                raise
            click.echo(
                f"guardrails: internal error ({type(exc).__name__}), nothing was found out. "
                "GUARDRAILS_DEBUG=1 shows the traceback.",
                err=True,
            )
            sys.exit(3)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: guardrails preflight path/to/backend",
)
@click.version_option(__version__, prog_name="guardrails")
def main() -> None:
    """Guard it, gate it, prove it: what keeps an AI-agent backend up."""
