"""A runbook behind every rule and counter, and nothing on a page that the rules or the command do not know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest

from guardrails.cli import main
from guardrails.config import ENV_PREFIX, Config, PreflightConfig, WaiverEntry
from guardrails.evidence import Rung, Severity
from guardrails.preflight import catalogue
from guardrails.preflight.families import FAMILIES, WAIVER_FAMILY
from guardrails.reports.lint_rules import RULES as OF_REPORTS
from guardrails.shipped import shipped_names
from tests.command_lines import command_lines, mistakes
from tests.consoles import steps
from tests.support import ROOT, SRC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardrails.preflight import Rule
    from guardrails.reports.lint_rules import LintRule

LONGEST_PAGE = 75
LONGEST_GUIDE = 210
LONGEST_GLOSSARY = 80
SECTIONS = (
    "First 60 seconds",
    "Meaning",
    "Impact",
    "Diagnosis",
    "Mitigation",
    "Verify",
    "Undo",
    "Escalate: when it is not this",
)
# Run as a test, or plainly the reader's own: nothing in between.
KINDS = {"console", "sh"}
# A reader at night runs these first and last; there they must be shown with what they print.
SHOWN_IN = ("First 60 seconds", "Verify")

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RULE = re.compile(r"\bGR-[A-Z]+-\d{3}\b")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")

PAGES = sorted((ROOT / "runbooks").glob("*.md"))
GUIDE = ROOT / "docs" / "guides" / "gate.md"
CI_GUIDE = ROOT / "docs" / "guides" / "ci.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
LINKED: dict[str, set[str]] = {}
for _rule in (*catalogue(), *OF_REPORTS.values()):
    LINKED.setdefault(_rule.runbook, set()).add(_rule.id)
# What an error names in its text; such a page has no rule, and may use the library where there is no command.
NAMED_BY_ERRORS = set(re.findall(r"Runbook: ([a-z-]+)", (SRC / "errors.py").read_text("utf-8")))
# Pages for somebody whom a counter has woken.
COUNTED = {"json-lossy": "json_lossy_total"}


def problems(text: str, rules: set[str]) -> list[str]:
    """What a page lacks or gets wrong, for the rules that link to it."""
    return [*_shape(text), *_commands(text), *_rules(text, rules)]


def _shape(text: str) -> Iterator[str]:
    lines = text.splitlines()
    if len(lines) > LONGEST_PAGE:
        yield f"{len(lines)} lines, more than {LONGEST_PAGE}"
    prose = FENCED.sub("", text)
    if len(re.findall(r"^# \S.*$", prose, re.MULTILINE)) != 1 or not text.startswith("# "):
        yield "no title, or more than one"
    found = tuple(re.findall(r"^## (.+)$", prose, re.MULTILINE))
    if found != SECTIONS:
        yield f"sections are {', '.join(found)}"
    for name, body in sections(text).items():
        if not body.strip():
            yield f"{name}: nothing stands there"
        if name in SHOWN_IN and "```console\n$ " not in body:
            yield f"{name}: no command with its output"
    yield from (f"a block of {kind or 'no kind'}" for kind, _ in FENCED.findall(text) if kind not in KINDS)


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(text: str) -> str:
    """The commands of a page, one a line, without what they print; those named in a sentence too."""
    blocks = FENCED.findall(text)
    typed = [step.command for kind, block in blocks if kind == "console" for step in steps(block)]
    plain = [block for kind, block in blocks if kind == "sh"]
    named = re.findall(r"`(guardrails [^`]+)`", FENCED.sub("", text))
    return "\n".join([*typed, *plain, *named])


def _commands(text: str) -> Iterator[str]:
    said = commands(text)
    # An import is no command line.
    typed = said.replace("from guardrails import", "")
    if typed == said and not list(command_lines(typed)):
        yield "no guardrails command"
    yield from mistakes(typed)


def _rules(text: str, rules: set[str]) -> Iterator[str]:
    head = text.split("\n## ", 1)[0]
    listed = set(RULE.findall(head))
    if listed != rules:
        yield f"its head names {sorted(listed)}, but linked from {sorted(rules)}"
    known = {rule.id for rule in catalogue()} | set(OF_REPORTS)
    yield from (f"{rule} does not exist" for rule in sorted(set(RULE.findall(text)) - known))


def dead_links(page: Path) -> list[str]:
    return [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]


@pytest.mark.parametrize("rule", [*catalogue(), *OF_REPORTS.values()], ids=lambda rule: rule.id)
def test_every_rule_has_a_runbook(rule: Rule | LintRule) -> None:
    assert rule.runbook in [page.stem for page in PAGES]


def test_every_runbook_is_linked_by_a_rule_a_counter_or_an_error() -> None:
    assert [page.stem for page in PAGES] == sorted([*LINKED, *COUNTED, *NAMED_BY_ERRORS])


@pytest.mark.parametrize("slug", COUNTED)
def test_the_counter_of_a_runbook_is_named_on_it_and_counted(slug: str) -> None:
    counter = COUNTED[slug]
    assert f"`{counter}`" in (ROOT / "runbooks" / f"{slug}.md").read_text("utf-8").split("\n## ", 1)[0]
    assert any(f'emit("{counter}"' in path.read_text("utf-8") for path in SRC.rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_has_its_sections_its_rules_and_commands_that_exist(page: Path) -> None:
    assert problems(page.read_text("utf-8"), LINKED.get(page.stem, set())) == []


GOOD = """\
# The gate warns

For GR-WAIVER-002.

## First 60 seconds
```console
$ guardrails explain GR-WAIVER-002
...
```
""" + "".join(f"\n## {name}\nSo it is.\n" for name in SECTIONS[1:]).replace(
    "## Verify\n", "## Verify\n```console\n$ echo yes\nyes\n```\n"
)


def test_a_sound_page_has_no_problem() -> None:
    assert problems(GOOD, {"GR-WAIVER-002"}) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("# The gate warns\n", "", "no title, or more than one"),
        ("\n## Undo\nSo it is.\n", "", "sections are First 60 seconds, Meaning,"),
        ("## Impact\nSo it is.", "## Impact\n", "Impact: nothing stands there"),
        ("```console\n$ echo yes\nyes\n```\n", "", "Verify: no command with its output"),
        ("So it is.", "```bash\nls\n```", "a block of bash"),
        ("So it is.", "so\n" * LONGEST_PAGE, "lines, more than 75"),
        ("guardrails explain GR-WAIVER-002", "cat log", "no guardrails command"),
        ("guardrails explain", "guardrails oncall list", "`guardrails oncall list GR-WAIVER-002`: No such command"),
        ("So it is.", "Run `guardrails preflight --now`.", "`guardrails preflight --now`: No such option"),
        ("For GR-WAIVER-002", "For GR-WAIVER-001", "its head names ['GR-WAIVER-001'], but linked from"),
        ("So it is.", "See GR-WAIVER-999.", "GR-WAIVER-999 does not exist"),
    ],
)
def test_a_page_that_lacks_something_is_found(old: str, new: str, problem: str) -> None:
    found = problems(GOOD.replace(old, new, 1), {"GR-WAIVER-002"})
    assert any(problem in said for said in found), found


def test_what_a_command_prints_is_not_taken_for_a_command() -> None:
    assert list(command_lines(commands("```console\n$ echo x\nverify guardrails old\n```\n"))) == []


@pytest.mark.parametrize("page", [*PAGES, GUIDE, GLOSSARY], ids=lambda page: page.stem)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_the_guides_name_every_setting_its_variable_and_every_option() -> None:
    text = GUIDE.read_text("utf-8") + CI_GUIDE.read_text("utf-8")
    own = [name for name in Config._fields if name not in ("preflight", "waiver", "waiver_lines")]
    inner = PreflightConfig._fields
    keys = [*own, *(f"preflight.{name}" for name in inner), *WaiverEntry._fields]
    variables = [f"{ENV_PREFIX}{name}".upper() for name in (*own, *(f"preflight__{name}" for name in inner))]
    command = main.get_command(click.Context(main), "preflight")
    options = [parameter.opts[0] for parameter in command.params if parameter.param_type_name == "option"]
    wanted = [*keys, *variables, *options, *shipped_names("checks", ".toml")]
    assert [word for word in wanted if not re.search(rf"`[^`\n]*{re.escape(word)}\b[^`\n]*`", text)] == []


def test_the_guide_of_the_gate_links_every_runbook_of_a_rule() -> None:
    text = GUIDE.read_text("utf-8")
    assert [rule.runbook for rule in catalogue() if f"runbooks/{rule.runbook}.md" not in text] == []
    lint = (GUIDE.parent / "report-lint.md").read_text("utf-8")
    assert [rule.runbook for rule in OF_REPORTS.values() if f"runbooks/{rule.runbook}.md" not in lint] == []


def test_the_glossary_knows_the_words_that_the_gate_prints() -> None:
    text = GLOSSARY.read_text("utf-8")
    families = [*FAMILIES, WAIVER_FAMILY]
    words = [*Severity, *Rung, "passed", "failed", "unknown", *families, *shipped_names("checks", ".toml")]
    assert [word for word in words if not re.search(rf"\b{re.escape(word)}\b", text)] == []


def test_the_glossary_is_sorted_and_says_each_word_once() -> None:
    words = re.findall(r"^\| (?!word |---)([^|]+?) \|", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    assert words == sorted(set(words))


@pytest.mark.parametrize(
    ("page", "limit"), [(GUIDE, LONGEST_GUIDE), (GLOSSARY, LONGEST_GLOSSARY)], ids=["guide", "glossary"]
)
def test_the_guide_and_the_glossary_stay_short(page: Path, limit: int) -> None:
    assert len(page.read_text("utf-8").splitlines()) <= limit
