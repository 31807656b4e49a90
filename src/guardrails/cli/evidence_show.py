"""`guardrails evidence list`, `show`, `claim` and `claims`: what is recorded, and the verdicts over what is said."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrails.cli.evidence_options import format_option
from guardrails.cli.printing import say

if TYPE_CHECKING:
    from guardrails.evidence import EvidenceRecord
    from guardrails.reports.ledger import Ledger
    from guardrails.reports.verdicts import Judgement


@click.command("list", short_help="All records, oldest first.", epilog="Example: guardrails evidence list --check unit")
@click.option("--check", help="Only those of this check.")
@format_option
def list_records(check: str | None, form: str) -> None:
    """All records, oldest first. Exit status: 0, or 3 when a file among them is none."""
    ledger = _ledger()
    records = ledger.records if check is None else ledger.of(check)
    if form == "json":
        _say_json({"records": [record.to_dict() for record in records], "damaged": _damaged(ledger)})
    else:
        say("".join(f"{line}\n" for line in map(line_of, records)) or "no record yet: guardrails evidence run\n")
        _tell_damage(ledger)
    sys.exit(3 if ledger.damaged else 0)


@click.command("show", short_help="One record, in full.", epilog="Example: guardrails evidence show 01JC3ZK8 --failing")
@click.argument("name", metavar="ID")
@click.option("--failing", is_flag=True, help="The names of the tests that failed, one a line, as --known reads them.")
def show(name: str, *, failing: bool) -> None:
    """The record whose id is ID, or begins so, as JSON."""
    record = _ledger().find(name)
    if record is None:
        raise click.UsageError(f"no record, or several, whose id begins with {name}: guardrails evidence list")
    if failing:
        say("".join(f"{test}\n" for test in record.failing))
    else:
        _say_json(record.to_dict())


@click.command(
    "claim",
    short_help="Say something, and what it leans on.",
    epilog='Example: guardrails evidence claim "The retry is tested" --on unit',
)
@click.argument("text")
@click.option("--on", multiple=True, metavar="CHECK|ID", help="The check or record that it leans on. Repeatable.")
@click.option("--by", default="", metavar="WHO", help="Who says so.")
@click.option("--strict", is_flag=True, help="Exit 1 unless it is supported, or vouched for by a person.")
def claim(text: str, on: tuple[str, ...], by: str, *, strict: bool) -> None:
    """Keep TEXT as a claim, for `evidence claims` and reports, and say what is to be thought of it now.

    Exit status: 0 kept; 1 contradicted, or with --strict not supported; 2 usage.
    """
    import os

    from guardrails.evidence import ClaimRecord
    from guardrails.reports.command_facts import redactor_of
    from guardrails.reports.ledger import stamp, write_claim
    from guardrails.reports.recording import look

    if not text.strip() or len(text) > 1000:
        raise click.UsageError("a claim is a sentence of 1 to 1,000 characters")
    top = look(Path.cwd()).top
    now = time.time()
    kept = write_claim(top, ClaimRecord("", " ".join(text.split()), on, stamp(now), by), redactor_of(os.environ))
    _verdicts([found for found in _judged() if found.id == kept.id], strict=strict)


@click.command(
    "claims", short_help="The verdict over every claim.", epilog="Example: guardrails evidence claims --strict"
)
@click.option("--strict", is_flag=True, help="Exit 1 unless all are supported, or vouched for by a person.")
@format_option
def claims(form: str, *, strict: bool) -> None:
    """The verdict over every claim, for the code as it lies here.

    Exit status: 0 no claim is contradicted; 1 one is, or with --strict is not supported; 3 a file is no claim.
    """
    _verdicts(_judged(), strict=strict, form=form, ledger=_ledger())


def line_of(record: EvidenceRecord) -> str:
    """A record in one line."""
    from guardrails.mdtext import visible

    commit = (record.commit or "no commit")[:12] + ("+" if record.dirty else "")
    said = visible(record.summary)[:200]
    return f"{record.id}  {record.started[:19]}Z  {record.check}  {record.outcome} {record.rung}  {commit}  {said}"


def _verdicts(found: list[Judgement], *, strict: bool, form: str = "human", ledger: Ledger | None = None) -> None:
    from guardrails.mdtext import visible
    from guardrails.reports.verdicts import reason_of

    if form == "json":
        _say_json({"claims": [{**one._asdict(), "why": reason_of(one)} for one in found], "damaged": _damaged(ledger)})
    else:
        for one in found:
            say(f"{one.verdict:<12} {one.rung}  {visible(one.claim)}\n              {visible(reason_of(one))}\n")
            if one.text != one.claim:
                say(f"              say instead: {visible(one.text)}\n")
        if ledger is not None and not found:
            say("no claim yet: guardrails evidence claim\n")
        _tell_damage(ledger)
    bad = any(one.verdict == "CONTRADICTED" or (strict and one.overclaims) for one in found)
    sys.exit(1 if bad else 3 if ledger is not None and ledger.damaged else 0)


def _judged() -> list[Judgement]:
    from guardrails.reports.recording import look
    from guardrails.reports.verdicts import Bench

    scene = look(Path.cwd())
    bench = Bench(scene.ledger, scene.tree, time.time())
    return [bench.judge(one) for one in scene.ledger.claims]


def _ledger() -> Ledger:
    from guardrails.errors import ConfigError
    from guardrails.reports.ledger import read_ledger
    from guardrails.reports.repository import open_repository

    top = open_repository(Path.cwd()).top
    if top is None:
        raise ConfigError(["a bare repository has no records"])
    return read_ledger(top)


def _damaged(ledger: Ledger | None) -> list[dict[str, str]]:
    return [{"file": name, "why": why} for name, why in (() if ledger is None else ledger.damaged)]


def _tell_damage(ledger: Ledger | None) -> None:
    for row in _damaged(ledger):
        click.echo(f"guardrails: {row['file']} counts for nothing: {row['why']}", err=True)


def _say_json(value: Any) -> None:
    import json

    say(json.dumps(value, indent=1, sort_keys=True) + "\n")
