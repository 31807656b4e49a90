"""The findings of a live run, each at the line of the project that explains it best, without secrets."""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

from guardrails.config import FILE
from guardrails.errors import nearest
from guardrails.evidence import Severity
from guardrails.preflight.checks import distributions, live, shadow
from guardrails.preflight.known_secrets import secret_values
from guardrails.preflight.outputs.human import counted
from guardrails.redact import Redactor
from guardrails.source.files import Role, role_of, text_of
from guardrails.source.layout import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardrails.evidence import Finding
    from guardrails.preflight.checks.live_jobs import Conflict, Effect, Job, Outcome, Run, Shadow
    from guardrails.preflight.rule import Rule

SHOWN_NOISE = 3
SHOWN_NAMES = 8
SLOWEST = 3
LONGEST = 160
SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
VERBS = {
    "network": "uses the network:",
    "subprocess": "starts a process:",
    "threads": "leaves a thread running:",
    "environment": "changes the environment:",
    "process": "has side effects: it",
}
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ')


def findings(run: Run) -> Iterator[Finding]:
    """What is wrong, in the order of the jobs."""
    return Teller(run).findings()


def notes(run: Run) -> list[str]:
    """What was tried and how it went, in one sentence; and what could not be checked."""
    said = [Teller(run).summary()] if run.outcomes else []
    return said + ([f"requirements of what is installed: not checked: {run.unchecked}"] if run.unchecked else [])


class Teller:
    def __init__(self, run: Run) -> None:
        self.run = run
        self.lines = text_of(run.base / FILE).splitlines()
        self.hide = Redactor(values=secrets(run.base)).text

    def findings(self) -> Iterator[Finding]:
        for shadowed in self.run.shadows:
            yield from self.taken(shadowed)
        for conflict in self.run.conflicts:
            yield from self.conflict(conflict)
        yield from self.commands()
        yield from self.mixed()
        for outcome in self.run.outcomes:
            yield from self.failure(outcome)
            yield from self.effects(outcome)
            yield from self.slow(outcome)
        yield from self.slow_together()
        yield from self.untried()

    # Imports that do not work

    def failure(self, outcome: Outcome) -> Iterator[Finding]:
        error, what = outcome.error or {}, self.what(outcome.job)
        if outcome.how in ("exit", "signal", "closed"):
            yield self.at(live.ENDS, outcome, f"{what} {ending(outcome)}{self.where(outcome)}")
        elif outcome.how == "deadline":
            limit = self.run.imports.deadline
            said = f"{what} had not ended when the deadline of {limit:g} s was over{self.where(outcome)}"
            yield self.at(live.HANGS, outcome, said)
        elif outcome.by_order:
            said = f"{what} fails alone and works behind the others: {self.error(outcome)}{self.where(outcome)}"
            yield self.at(live.ORDER, outcome, said)
        elif not error:
            return
        elif outcome.job.kind == "settings":
            yield from self.unset(outcome)
        elif "near" in error:
            module, _, name = outcome.job.name.partition(":")
            yield self.at(live.ABSENT, outcome, f"{module} has no {name!r}{meant(error['missing'], error['near'])}")
        elif outcome.is_absent:
            yield self.absent(outcome)
        elif error["type"] == "SystemExit":
            yield self.at(
                live.ENDS, outcome, f"{what} ends the process by SystemExit({error['text']}){self.where(outcome)}"
            )
        else:
            yield self.at(live.RAISES, outcome, f"{what} raises {self.error(outcome)}{self.where(outcome)}")

    def absent(self, outcome: Outcome) -> Finding:
        module = outcome.job.name.partition(":")[0]
        missing = (outcome.error or {})["name"]
        owner = provider(missing)
        hint = f"; {owner} provides it" if owner else meant(module, self.run.near.get(module, []))
        severity = None
        if not outcome.job.critical and "." not in missing:
            # To be absent is what an optional module may be; a name that is misspelt shows all the same.
            severity = Severity.INFO
        return self.at(live.ABSENT, outcome, f"{module} is not there: no module {missing!r}{hint}", severity)

    def unset(self, outcome: Outcome) -> Iterator[Finding]:
        """Names and kinds, never a value."""
        error = outcome.error or {}
        for place, kind, message in error.get("fields") or ():
            name = f"{error['prefix']}{place}".replace(".", "__").upper()
            said = f"{name or outcome.job.name}: {kind}" + (f": {message}" if message else "")
            yield self.at(live.UNSET, outcome, f"{outcome.job.name} needs {said}")
        if not error.get("fields"):
            # Of the settings' own machinery the text is known to be free of values.
            text = self.error(outcome) if error["type"].endswith("SettingsError") else error["type"]
            yield self.at(live.UNSET, outcome, f"{outcome.job.name} cannot be made: {text}{self.where(outcome)}")

    def error(self, outcome: Outcome) -> str:
        error = outcome.error or {}
        text = error.get("text") or "; ".join(f"{kind} for {place}" for place, kind, _ in error.get("fields") or ())
        owner = provider(error.get("name") or "") if error["type"] == "ModuleNotFoundError" else None
        said = f"{error['type']}: {short(text)}" if text else str(error["type"])
        return said + (f"; {owner} provides it" if owner else "")

    def where(self, outcome: Outcome) -> str:
        """The line that it happened in, what else had been imported, what was printed last."""
        frames = self.frames(outcome)
        said = f" ({self.shown(*frames[-1])}{self.called_at(frames, outcome.job)})" if frames else ""
        if outcome.after and outcome.how != "ended":
            said += f", behind {counted(outcome.after, 'other import')} in the same process"
        text, size = outcome.noise
        last = [short(line) for line in text.splitlines() if line.strip()][-SHOWN_NOISE:]
        return said + (f"; it printed {size:,} bytes, last: {' | '.join(last)}" if last else "")

    def called_at(self, frames: list[tuple[str, int | None]], job: Job) -> str:
        """For an error in a library: the line of the project that led there, else that of what was to be imported."""
        top = job.name.partition(":")[0].partition(".")[0]
        own = [frame for frame in frames if self.inside(*frame)]
        own = own or [frame for frame in frames if self.shown(*frame).startswith((f"{top}/", f"{top}.py"))]
        return f", from {self.shown(*own[-1])}" if own and own[-1] != frames[-1] else ""

    def untried(self) -> Iterator[Finding]:
        """One finding for all: each has the same cause, which has its own."""
        rest = [one for one in self.run.outcomes if one.how == "untried"]
        if rest and not self.run.is_broken:
            names = ", ".join(one.job.name for one in rest)
            worst = next((one for one in rest if one.job.critical), rest[0])
            reason = (
                "the set-up failed" if worst.detail else f"the deadline of {self.run.imports.deadline:g} s was over"
            )
            yield self.at(live.HANGS, worst, f"not tried, because {reason}: {names}")

    # Imports that do too much

    def effects(self, outcome: Outcome) -> Iterator[Finding]:
        kinds: dict[str, list[Effect]] = {}
        # A set-up is where such things belong.
        for effect in outcome.effects if outcome.job.kind == "import" else ():
            kinds.setdefault(effect.kind, []).append(effect)
        for kind, found in kinds.items():
            severity = Severity.ERROR if kind in self.run.imports.forbid else Severity.WARNING
            said = [
                effect.what + (f" ({self.shown(effect.file, effect.line)})" if effect.file else "") for effect in found
            ]
            more = f" and {len(said) - SHOWN_NOISE} more" if len(said) > SHOWN_NOISE else ""
            message = f"{self.what(outcome.job)} {VERBS[kind]} {', '.join(map(short, said[:SHOWN_NOISE]))}{more}"
            place = next((p for p in (self.inside(e.file, e.line) for e in found) if p), None)
            yield self.at(live.EFFECT, outcome, message, severity, place)

    def slow(self, outcome: Outcome) -> Iterator[Finding]:
        budget = self.run.imports.budget_cpu
        if budget is not None and outcome.cpu > budget:
            module = outcome.job.name.partition(":")[0]
            said = f"{self.what(outcome.job)} takes {outcome.cpu:.2f} s of CPU, more than {budget:g} s"
            finding = self.at(live.SLOW, outcome, f"{said}, besides what earlier imports had loaded")
            yield finding._replace(verify=f"{self.run.python} -X importtime -c 'import {module}'")

    def slow_together(self) -> Iterator[Finding]:
        budget, total = self.run.imports.budget_cpu_total, sum(one.cpu for one in self.run.outcomes)
        # Alone, each loads again what the others have.
        if budget is not None and total > budget and not self.run.imports.isolate:
            worst = max(self.run.outcomes, key=lambda one: one.cpu)
            said = f"all imports take {total:.2f} s of CPU, more than {budget:g} s; most: {self.slowest()}"
            yield self.at(live.SLOW, worst, said)._replace(severity=Severity.ERROR)

    def slowest(self) -> str:
        known = sorted(self.run.outcomes, key=lambda one: -one.cpu)[:SLOWEST]
        return ", ".join(f"{one.job.name} {one.cpu:.2f} s" for one in known)

    # What surrounds them

    def taken(self, found: Shadow) -> Iterator[Finding]:
        place = self.inside(found.taken, None)
        if place is None or role_of(f"{found.name}/") != Role.APP:
            return
        if found.stdlib and (found.name in shadow.HARMLESS or found.name in shadow.ALWAYS_FIRST):
            return
        if (not found.stdlib and self.is_own(found)) or place[0] in self.told_already:
            return
        whose = "the standard library's" if found.stdlib else "the installed"
        said = f"{place[0]} takes the place of {whose} {found.name!r} ({self.shown(found.hidden, None)})"
        yield live.TAKEN.at(place[0], None, self.hide(said))

    def is_own(self, found: Shadow) -> bool:
        """Whether what is hidden is the project itself, as it was installed."""
        owners = distributions.owners(self.site(found.hidden), only=found.name).get(found.name, [])
        named = re.search(r"(?m)^name\s*=\s*[\"']([\w.-]+)", "\n".join(self.lines))
        return named is not None and any(normalised(one.distribution) == normalised(named[1]) for one in owners)

    def site(self, file: str) -> Path:
        parent = self.run.base / os.path.dirname(file)  # noqa: PTH120
        return parent.parent if file.endswith("__init__.py") else parent

    @cached_property
    def told_already(self) -> set[str]:
        """Files that GR-SHADOW reports without running anything."""
        from guardrails.preflight.context import Context

        return {finding.path for finding in shadow.check(Context(self.run.project, self.run.config))}

    def conflict(self, found: Conflict) -> Iterator[Finding]:
        allowed = {normalised(name) for name in self.run.imports.allow_conflicts}
        needed = re.split(r"[^\w.-]", found.requirement, maxsplit=1)[0]
        if normalised(needed) not in allowed and normalised(found.distribution) not in allowed:
            there = f"{found.installed} is installed" if found.installed else "which is not installed"
            said = f"{found.distribution} {found.version} requires {found.requirement}, {there}"
            finding = live.CONFLICT.at(*self.line_of("tool.guardrails.imports"), said)
            yield finding._replace(verify=f"{self.run.python} -m pip check")

    def commands(self) -> Iterator[Finding]:
        for release, command, target, absent in self.run.scripts:
            said = f"the command {command!r} of {release} points to {target}: {absent}"
            yield live.COMMAND.at(*self.requirement(release), self.hide(said))

    def mixed(self) -> Iterator[Finding]:
        for release, name, file in self.run.mixed:
            said = f"{release} installs {file} beside libraries, and the project has a folder {name}/ too"
            yield live.MIXED.at(*self.requirement(release), self.hide(said))

    def requirement(self, release: str) -> tuple[str, int | None]:
        """Where the project asks for a distribution."""
        places = self.run.project.layout.requirements.get(normalised(release.partition("-")[0]))
        path, _, line = places[0].partition(":") if places else ("", "", "")
        return (path, int(line) if line.isdigit() else None) if path else self.line_of("tool.guardrails.imports")

    # Words and places

    def at(
        self,
        rule: Rule,
        outcome: Outcome,
        message: str,
        severity: Severity | None = None,
        place: tuple[str, int | None] | None = None,
    ) -> Finding:
        severity = severity or (Severity.ERROR if outcome.job.critical else Severity.WARNING)
        if place is None:
            inside = (self.inside(*frame) for frame in reversed(self.frames(outcome)))
            place = next((found for found in inside if found), None) or self.line_of(outcome.job.name)
        return rule.at(*place, self.hide(message), severity=severity)

    def what(self, job: Job) -> str:
        return {"setup": "the set-up", "settings": "reading"}.get(job.kind, "importing") + f" {job.name}"

    def frames(self, outcome: Outcome) -> list[tuple[str, int | None]]:
        """Files and lines from the outermost to the innermost."""
        if outcome.error:
            return [(file, line) for file, line, _ in outcome.error.get("frames", ())]
        matches = [match for match in map(_FRAME.match, reversed(outcome.trace)) if match]
        return [(match[1], int(match[2])) for match in matches if self.is_theirs(match[1])]

    @staticmethod
    def is_theirs(file: str) -> bool:
        return not file.startswith("<frozen ") and not file.endswith(("live_child.py", "live_worker.py"))

    def inside(self, file: str, line: int | None) -> tuple[str, int | None] | None:
        """The place in the project, for a file that is one of its own."""
        for base in (str(self.run.base), os.path.realpath(self.run.base)):
            if file.startswith(f"{base}{os.sep}") and "-packages" not in file:
                return file[len(base) + 1 :].replace(os.sep, "/"), line
        return None

    def shown(self, file: str, line: int | None) -> str:
        """A file as a reader knows it: in the project, or in its distribution."""
        inside = self.inside(file, line)
        name = inside[0] if inside else re.sub(r"^.*-packages/|^.*/(?=python\d)", "", file)
        return name if line is None else f"{name}:{line}"

    def line_of(self, name: str) -> tuple[str, int | None]:
        """Where the configuration names it."""
        for number, line in enumerate(self.lines, 1):
            if f'"{name}"' in line or f"'{name}'" in line or line.strip() == f"[{name}]":
                return FILE, number
        return (FILE, None) if self.lines else (".", None)

    def summary(self) -> str:
        outcomes = self.run.outcomes
        groups = {
            "failed": [one for one in outcomes if not one.works and one.how != "untried" and not is_excused(one)],
            "absent and optional": [one for one in outcomes if is_excused(one)],
            "not tried": [one for one in outcomes if one.how == "untried"],
        }
        said = [f"{name}: {listed(found)}" for name, found in groups.items() if found]
        works = sum(one.works for one in outcomes)
        alone = " alone" if self.run.imports.isolate else ""
        inside = self.inside(str(self.run.python), None)
        python = inside[0] if inside else self.run.python
        head = f"imports: {works} of {len(outcomes)} work{alone} under {python} (Python {self.run.version})"
        cpu = f"{sum(one.cpu for one in outcomes):.2f} s of CPU, most: {self.slowest()}"
        return self.hide("; ".join([head, *said, cpu]))


def is_excused(outcome: Outcome) -> bool:
    return outcome.is_absent and not outcome.job.critical


def listed(outcomes: list[Outcome]) -> str:
    names = [one.job.name for one in outcomes]
    return ", ".join(names[:SHOWN_NAMES]) + (
        f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    )


def ending(outcome: Outcome) -> str:
    if outcome.how == "exit":
        return f"ends the process with status {outcome.detail}, past every handler"
    if outcome.how == "closed":
        return "closes file descriptors that are not its own"
    name = SIGNALS.get(outcome.detail, f"signal {outcome.detail}")
    return f"kills the process by {name}" + (", mostly for want of memory" if outcome.detail == 9 else "")


def meant(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def provider(module: str) -> str | None:
    """The distribution that a missing module comes with, where its name is another."""
    top = module.partition(".")[0]
    return next((owner for owner, name in distributions.IMPORT_NAMES.items() if name == top), None) if top else None


def short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def secrets(base: Path) -> set[str]:
    """The values of variables whose names mean a secret, in this environment and in `.env`."""
    pairs = list(os.environ.items())
    pairs += re.findall(r"(?m)^\s*(?:export\s+)?(\w+)\s*=\s*[\"']?(.*?)[\"']?\s*$", text_of(base / ".env"))
    return secret_values(pairs)
