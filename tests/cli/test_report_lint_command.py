"""`guardrails report lint`: one exit contract, two outputs, files repaired on request, and no line made by a report."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from guardrails.cli.report_lint import lint
from guardrails.reports.lint_rules import RULES
from tests.cli.command import guardrails
from tests.cli.contract import COUNT, TEXT, closed

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

LINE = {"type": "integer", "minimum": 1}
SCHEMA = Draft202012Validator(
    closed(
        lint_version={"const": 1},
        verdict={"enum": ["passed", "failed", "unknown"]},
        exit_code={"enum": [0, 1, 3]},
        findings={
            "type": "array",
            "items": closed(
                path=TEXT,
                rule={"enum": sorted(RULES)},
                severity={"enum": ["error", "warning"]},
                line=LINE,
                column=LINE,
                claim={"type": "string"},
                why=TEXT,
                evidence=TEXT,
                fix=TEXT,
            ),
        },
        claims={
            "type": "array",
            "items": closed(
                path=TEXT,
                line=LINE,
                text={"type": "string"},
                verdict={"enum": ["SUPPORTED", "CONTRADICTED", "UNSUPPORTED"]},
            ),
        },
        files={
            "type": "array",
            "items": closed(
                path=TEXT,
                unknown={"type": "array", "items": TEXT},
                notes={"type": "array", "items": TEXT},
                omitted=COUNT,
                repaired=COUNT,
            ),
        },
    )
)
FALSE = "12 of 10 tests passed.\n"
DOUBTFUL = "# Status report\n\nIt is fully tested.\n"


def run(folder: Path, text: str | bytes, *options: str) -> Result:
    file = folder / "r.md"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return CliRunner().invoke(lint, [str(file), "--no-repo", *options])


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        ("10 of 12 tests passed.\n", [], 0),
        (FALSE, [], 1),
        (DOUBTFUL, [], 0),
        (DOUBTFUL, ["--strict"], 1),
        ("a\0b", [], 3),
        (FALSE, ["--format", "yaml"], 2),
        (FALSE, ["--repo", "."], 2),
    ],
)
def test_exit_status(tmp_path: Path, text: str, options: list[str], status: int) -> None:
    assert run(tmp_path, text, *options).exit_code == status


def test_a_contradiction_outweighs_what_could_not_be_found_out(tmp_path: Path) -> None:
    (tmp_path / "binary.md").write_bytes(b"a\0b")
    result = run(tmp_path, FALSE, str(tmp_path / "binary.md"))
    assert result.exit_code == 1
    assert "not found out" in result.output


def test_a_missing_file_is_a_usage_error_and_nothing_is_linted(tmp_path: Path) -> None:
    result = run(tmp_path, FALSE, str(tmp_path / "none.md"))
    assert (result.exit_code, "12 of 10" in result.output) == (2, False)
    assert "No such file or directory. Give Markdown files, or - for stdin" in result.output


def test_a_finding_is_told_with_place_claim_reason_and_fix(tmp_path: Path) -> None:
    assert run(tmp_path, FALSE).output.replace(str(tmp_path), "there").splitlines() == [
        "error GR-REPORT-002  there/r.md:1:1",
        "  says    12 of 10 tests passed.",
        "  but     12 of 10 is more than there are",
        "  see     12 > 10",
        "  fix     write the count that was meant first, then the whole",
        "",
        "CONTRADICTED  1 error, 0 warnings · there/r.md",
    ]


@pytest.mark.parametrize("text", ["fine\n", FALSE, DOUBTFUL, "a\0b", FALSE * 700, "x" * 5_000])
def test_json_keeps_its_contract(tmp_path: Path, text: str) -> None:
    result = run(tmp_path, text, "--format", "json")
    said = json.loads(result.output)
    SCHEMA.validate(said)
    assert said["exit_code"] == result.exit_code


def test_standard_input_is_read_and_a_repository_is_found_around_the_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(lint, ["-", "--no-repo"], input=FALSE)
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "CONTRADICTED  1 error, 0 warnings · -")
    (tmp_path / "r.md").write_text("# Status report\n\nFixed in commit `0123abc9`.\n", encoding="utf-8")
    (tmp_path / ".git").mkdir()
    done = guardrails("report", "lint", "r.md", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert "not found out  r.md: not held against the repository" in done.stdout


def test_damaged_lines_are_repaired_in_the_file_and_the_others_stay(tmp_path: Path) -> None:
    sound = "# Звіт\r\n\r\n✅ так, “état” – і\tдалі  \r\n"
    result = run(tmp_path, (sound + "âœ… Ð³Ð¾Ñ‚Ð¾Ð²Ð¾\r\n").encode(), "--fix-encoding")
    assert (tmp_path / "r.md").read_bytes() == (sound + "✅ готово\r\n").encode()
    assert result.exit_code == 0
    assert f"repaired  {tmp_path}/r.md: 1 line" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["r.md"]


def test_a_secret_in_a_report_is_not_printed(tmp_path: Path) -> None:
    secret = "ghp_" + "a1B2" * 9
    text = f"12 of 10 tests passed with API_KEY={secret}\n"
    for form in ("human", "json"):
        assert secret not in run(tmp_path, text, "--format", form).output


HOSTILE = [
    *(
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b[31m",
        "\x9b31m",
        "\x08\x08",
        "\x7f",
        "\x07",
        "\x0b",
        "\x0c",
        "\x85",
        "\u2028",
        "\u2029",
        "\u202e",
        "\u2066",
        "\u200b",
    ),
    *(
        "\ufeff",
        "\r",
        "\rerror GR-REPORT-001  x:1:1",
        "PASSED  0 errors",
        "::error::x",
        "##[error]x",
        "<script>",
        "|",
        "`",
        "**",
        "\ud800",
        "\U000e0041",
        "\t",
        "\u0085x",
        "\x00"[:0] + "\x01",
    ),
]
PAYLOADS = [a + b + c for a, b, c in itertools.product(HOSTILE, ("", "a", " "), HOSTILE)]


def test_no_payload_changes_the_lines_of_the_output() -> None:
    from pathlib import Path

    from guardrails.cli.report_lint import Read, _as_text
    from guardrails.reports.lint import lint as look

    assert len(PAYLOADS) >= 2_000
    shapes = set()
    for payload in PAYLOADS:
        text = f"12 of 10 tests passed {payload.replace(chr(13), ' ')} and more"
        outcome = look(text.encode("utf-8", "surrogatepass"), Path(f"{payload}.md"), repository=None)
        found = [item for item in outcome.findings if item.rule == "GR-REPORT-002"]
        lines = list(
            _as_text([Read(f"{payload}.md", outcome._replace(findings=tuple(found[:1]), notes=(), unknown=()))], 1)
        )
        assert [line for line in lines if not line.replace("\ufe0f", "").isprintable()] == [], payload
        shapes.add(tuple(line[:9] for line in lines))
    assert shapes == {("error GR-", "  says   ", "  but    ", "  see    ", "  fix    ", "", "CONTRADIC")}
