"""Command lines inside YAML, Dockerfiles and scripts: parsed with the real command tree, never run."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

# `["guardrails", "run", ...]`, as Dockerfiles and compose files write a command.
LISTED = re.compile(r'\[\s*"(?:[^"]*/)?guardrails"[^\]]*\]')
# `guardrails run ...` up to what ends a command: a shell operator, a redirection, a comment.
WRITTEN = re.compile(r"""(?<![\w.-])(?P<quote>["']?)(?:[\w.${}-]*/)*guardrails[ \t]+(?P<rest>[^\n]*)""")
END = re.compile(r"&&|\|\||[;|<]|2?>|\s#")
# A comment, or a key whose value is prose.
PROSE = re.compile(r"\s*(#|(- )?(name|title|summary|description):)")


def mistakes(text: str, command: click.Command | None = None) -> list[str]:
    """Every `guardrails` command line in `text` that the command would refuse, with its reason."""
    found = []
    for argv in command_lines(text):
        try:
            check(argv, command or _main())
        except click.UsageError as exc:
            found.append(f"`{shlex.join(['guardrails', *argv])}`: {exc.format_message()}")
    return found


def command_lines(text: str) -> Iterator[list[str]]:
    """The arguments of each command line."""
    joined = text.replace("\\\n", " ")
    code = "\n".join(line for line in joined.splitlines() if not PROSE.match(line))
    for match in LISTED.finditer(code):
        yield json.loads(match[0])[1:]
    for match in WRITTEN.finditer(code):
        quoted = match["rest"].split(match["quote"])[0] if match["quote"] else match["rest"]
        yield shlex.split(END.split(quoted)[0])


def _main() -> click.Command:
    from guardrails.cli import main

    return main


def check(argv: list[str], command: click.Command) -> None:
    """Follow the arguments through the command tree. Raises click.UsageError where it has no such branch."""
    context = click.Context(command, info_name=command.name, **command.context_settings)
    options, rest, _ = command.make_parser(context).parse_args(list(argv))
    for parameter in command.params:
        given = parameter.name in options and not parameter.value_is_missing(options[parameter.name])
        if parameter.required and not given:
            raise click.MissingParameter(ctx=context, param=parameter)
        if given and isinstance(parameter.type, click.Choice):
            parameter.type_cast_value(context, options[parameter.name])
    if isinstance(command, click.Group):
        if not rest:
            return
        name, below, rest = command.resolve_command(context, rest)
        if below is None:
            raise click.UsageError(f"no such command: {name}")
        check(rest, below)
    elif rest and not context.allow_extra_args:
        raise click.UsageError(f"unexpected: {' '.join(rest)}")
