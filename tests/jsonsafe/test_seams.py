"""The standard library's seams: `json`, and `logging`."""

from __future__ import annotations

import io
import json
import logging
import uuid
from typing import Any

import pytest

from guardrails import jsonsafe
from guardrails.jsonsafe import Encoder
from tests.jsonsafe.values import cyclic

ODD = {"id": uuid.UUID(int=1), 3: {1, 2}, "nan": float("nan"), "loop": cyclic()}
WRITTEN = {
    "id": str(uuid.UUID(int=1)),
    "3": [1, 2],
    "nan": None,
    "loop": [1, {"again": {"$lost": "cycle", "$type": "list"}}],
}


def test_json_dumps_and_dump_take_the_encoder() -> None:
    file = io.StringIO()
    json.dump(ODD, file, cls=jsonsafe.JSONEncoder)
    assert json.loads(json.dumps(ODD, cls=jsonsafe.JSONEncoder)) == WRITTEN
    assert json.loads(file.getvalue()) == WRITTEN
    assert "".join(jsonsafe.JSONEncoder().iterencode("a\ud800")) == '"a\\\\ud800"'


def test_the_layout_is_the_callers() -> None:
    text = json.dumps({"b": "é", "a": {2, 1}}, cls=jsonsafe.JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
    assert text == '{\n "a": [\n  1,\n  2\n ],\n "b": "é"\n}'


def test_a_derived_encoder_has_a_profile_and_a_policy_of_its_own() -> None:
    class Strict(jsonsafe.JSONEncoder):
        policy = "strict"

    class Log(jsonsafe.JSONEncoder):
        profile = "log"

    with pytest.raises(jsonsafe.EncodeError):
        json.dumps([object()], cls=Strict)
    assert json.dumps({"password": "hunter2"}, cls=Log) == '{"password": "[redacted]"}'


def test_the_default_hook_gives_a_plain_copy() -> None:
    assert json.loads(json.dumps({"k": [object(), ODD["id"]]}, default=jsonsafe.default)) == {
        "k": [{"$lost": "opaque", "$type": "object"}, WRITTEN["id"]]
    }
    assert jsonsafe.default({"x", float("inf")}) in (["x", None], [None, "x"])


def formatted(message: Any, *args: Any, **more: Any) -> dict[str, Any]:
    record = logging.LogRecord("app.db", logging.WARNING, "db.py", 3, message, args, more.pop("exc_info", None))
    vars(record).update(more)
    line = jsonsafe.Formatter().format(record)
    assert "\n" not in line
    tree: dict[str, Any] = json.loads(line)
    return tree


def test_a_log_line_is_one_object() -> None:
    line = formatted("took %d ms", 3, order=uuid.UUID(int=1), password="hunter2")
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "app.db",
        "message": "took 3 ms",
        "order": str(uuid.UUID(int=1)),
        "password": "[redacted]",
    }


def test_a_log_line_keeps_the_exception() -> None:
    error = ValueError("token=abcdefghij0123456789")
    line = formatted("failed", exc_info=(ValueError, error, None))
    assert line["exception"]["type"] == "ValueError"
    assert "abcdefghij" not in line["exception"]["message"]


def test_a_template_that_does_not_fit_is_still_logged() -> None:
    assert formatted("%d items", "many")["message"] == {"template": "%d items", "args": ["many"], "error": "TypeError"}


def test_an_extra_does_not_replace_a_field() -> None:
    line = formatted("hello", level="mine", logger=3)
    assert (line["level"], line["extra.level"], line["extra.logger"]) == ("WARNING", "mine", 3)


def test_a_formatter_takes_rules_of_its_own() -> None:
    registry = jsonsafe.Registry()
    registry.register(uuid.UUID, lambda value: value.int)
    record = logging.makeLogRecord({"msg": "m", "order": uuid.UUID(int=5)})
    assert json.loads(jsonsafe.Formatter(Encoder(registry)).format(record))["order"] == 5
