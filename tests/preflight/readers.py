"""Foreign readers of what the gate writes: each returns what it understood, or raises."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.contract import RECORD, closed_throughout
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTRACT = Draft202012Validator(closed_throughout(RECORD))


class Ran(NamedTuple):
    """One test as a harness sees it."""

    name: str
    outcome: str
    said: str


def json_data(text: str) -> Any:
    data = json.loads(text)
    assert [f"{list(error.path)}: {error.message}" for error in CONTRACT.iter_errors(data)] == []
    return data


def junit_tests(text: str) -> list[Ran]:
    need("junitparser", "the JUnit report, by somebody else's reader")
    from junitparser import JUnitXml

    suites = JUnitXml.fromstring(text.encode())
    found = []
    for suite in suites:
        for case in suite:
            kinds = [(type(result).__name__.lower(), f"{result.message}\n{result.text}") for result in case.result]
            ((kind, said),) = kinds or [("passed", case.system_out or "")]
            found.append(Ran(case.name, kind, said))
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == counts(found, suite.name, text)
    kinds = [test.outcome for test in found]
    assert suites.tests == len(found)
    assert (suites.failures, suites.errors, suites.skipped) == tuple(
        kinds.count(kind) for kind in ("failure", "error", "skipped")
    )
    return found


def counts(found: list[Ran], suite: str, text: str) -> tuple[int, int, int, int]:
    """Tests, failures, errors and skipped of a suite, by the standard library's reader."""
    import xml.etree.ElementTree as ET

    cases = [case for case in ET.fromstring(text).iter("testcase") if case.get("classname") == suite]
    kinds = [child.tag for case in cases for child in case]
    assert len(found) >= len(cases)
    return len(cases), kinds.count("failure"), kinds.count("error"), kinds.count("skipped")


def tap_tests(text: str) -> list[Ran]:
    need("tap", "the TAP stream, by somebody else's reader")
    import tap.parser
    import yaml

    assert tap.parser.ENABLE_VERSION_13, "more-itertools is missing: the YAML would not be read"
    lines = list(tap.parser.Parser().parse_text(text))
    found = []
    for line in lines:
        if line.category == "test":
            outcome = "skipped" if line.skip else "todo" if line.todo else "passed" if line.ok else "failed"
            block = line.yaml_block or {}
            found.append(Ran(line.description, outcome, yaml.safe_dump(block, allow_unicode=True, width=10**6)))
    assert [line.version for line in lines if line.category == "version"] == [14]
    assert [line.expected_tests for line in lines if line.category == "plan"] == [len(found)]
    assert {line.category for line in lines} <= {"version", "plan", "test", "diagnostic"}
    return found


def metrics(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample but for the project's name, by name and labels. All are gauges with a help text."""
    families = list(text_string_to_metric_families(text))
    assert {family.type for family in families} == {"gauge"}
    assert [family.name for family in families if not family.documentation] == []
    samples = [sample for family in families for sample in family.samples]
    return {
        (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if k != "project"))): sample.value
        for sample in samples
    }


def promtool(text: str) -> tuple[int, str]:
    """What Prometheus itself says of metrics."""
    program = need("promtool", "the metrics, by Prometheus itself")
    argv = [program, "check", "metrics"]
    checked = subprocess.run(argv, input=text, encoding="utf-8", capture_output=True, check=False)
    return checked.returncode, checked.stdout + checked.stderr


# Property -> the class that Microsoft made from the official schema for the objects under it.
SARIF_CLASSES = {
    "runs": "Run",
    "tool": "Tool",
    "driver": "ToolComponent",
    "rules": "ReportingDescriptor",
    "shortDescription": "MultiformatMessageString",
    "fullDescription": "MultiformatMessageString",
    "help": "MultiformatMessageString",
    "defaultConfiguration": "ReportingConfiguration",
    "invocations": "Invocation",
    "toolExecutionNotifications": "Notification",
    "results": "Result",
    "message": "Message",
    "locations": "Location",
    "physicalLocation": "PhysicalLocation",
    "artifactLocation": "ArtifactLocation",
    "region": "Region",
    "suppressions": "Suppression",
}
ANY_KEYS = {"properties", "partialFingerprints"}


def sarif_run(text: str) -> Any:
    """The run of a log whose names are those of the standard and whose values are of the right types."""
    need("sarif_om", "the names in the SARIF log")
    need("sarif_pydantic", "the types in the SARIF log")
    from sarif_pydantic import Sarif

    data = json.loads(text)
    assert list(unknown_names(data, "SarifLog")) == []
    (run,) = Sarif.model_validate(data, strict=False).runs
    assert run.tool.driver.name == "guardrails"
    return data["runs"][0]


def unknown_names(node: Any, kind: str) -> Iterator[str]:
    """Properties that the standard does not have there, and required ones that are missing."""
    import attr
    import sarif_om

    fields = attr.fields(getattr(sarif_om, kind))
    names = {field.metadata["schema_property_name"]: field.default is attr.NOTHING for field in fields}
    yield from (f"{kind}.{name}: no such property" for name in node.keys() - names.keys())
    yield from (f"{kind}.{name}: is missing" for name, required in names.items() if required and name not in node)
    for name, value in node.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and name not in ANY_KEYS:
                yield from unknown_names(item, SARIF_CLASSES[name])


class Annotation(NamedTuple):
    level: str
    properties: dict[str, str]
    said: str


def workflow_commands(text: str) -> list[Annotation]:
    """The workflow commands of a log, as the runner reads them: `::name key=value,key=value::data`."""
    found = []
    for line in text.splitlines():
        if not line.lstrip().startswith("::"):
            assert "##[" not in line
            continue
        head, data = line.lstrip()[2:].split("::", 1)
        level, _, rest = head.partition(" ")
        pairs = [pair.partition("=") for pair in rest.split(",") if pair]
        found.append(Annotation(level, {key: decoded(value) for key, _, value in pairs}, decoded(data)))
    assert {annotation.level for annotation in found} <= {"error", "warning", "notice"}
    return found


def decoded(text: str) -> str:
    for escape, char in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(escape, char)
    return text


def page(text: str) -> Any:
    return MarkdownIt("commonmark").enable("table").parse(text)


READERS: dict[str, Callable[[str], Any]] = {
    "human": str.splitlines,
    "markdown": page,
    "json": json_data,
    "junit": junit_tests,
    "sarif": sarif_run,
    "github": workflow_commands,
    "tap": tap_tests,
    "prometheus": metrics,
}
