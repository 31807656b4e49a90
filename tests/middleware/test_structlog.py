"""structlog, configured in both of its ways: every line arrives, is one JSON object, and holds no secret."""

from __future__ import annotations

import io
import logging
import math
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from guardrails import jsonsafe
from guardrails.middleware.structlog import bytes_serializer, serializer

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD = {
    "id": uuid.UUID(int=1),
    "nan": math.nan,
    "lock": threading.Lock(),
    "text": "a\ud800",
    "pairs": {(1, 2): 3},
    "password": "hunter2",
}
WRITTEN = {
    "id": "00000000-0000-0000-0000-000000000001",
    "nan": None,
    "lock": {"$lost": "opaque", "$type": "_thread.lock"},
    "text": "a\\ud800",
    "pairs": {"[1,2]": 3},
    "password": "[redacted]",
}
# An exception as an object, so that the encoder writes type, message and traceback, and masks secrets in them.
EXCEPTIONS = structlog.processors.ExceptionRenderer(lambda info: info[1])


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def lines(text: str | bytes) -> list[Any]:
    return [jsonsafe.loads(line) for line in text.splitlines()]


def alone(file: io.BytesIO, renderer: structlog.types.Processor) -> Any:
    """structlog without the standard library's logging."""
    structlog.configure(
        [structlog.processors.add_log_level, EXCEPTIONS, renderer],
        logger_factory=structlog.BytesLoggerFactory(file),
        cache_logger_on_first_use=False,
    )
    return structlog.get_logger()


@pytest.fixture
def handler() -> Iterator[logging.StreamHandler[io.StringIO]]:
    """structlog through the standard library's logging."""
    logger, handler = logging.getLogger("tests.structlog"), logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    structlog.configure(
        [structlog.processors.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    yield handler
    logger.removeHandler(handler)


def through(renderer: structlog.types.Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, EXCEPTIONS, renderer],
        foreign_pre_chain=[structlog.processors.add_log_level, structlog.stdlib.ExtraAdder()],
    )


def test_an_event_is_written_as_bytes() -> None:
    file = io.BytesIO()
    alone(file, structlog.processors.JSONRenderer(serializer=bytes_serializer)).info("paid", **ODD)
    assert lines(file.getvalue()) == [{**WRITTEN, "event": "paid", "level": "info"}]


def test_an_event_is_written_as_text_through_logging(handler: logging.StreamHandler[io.StringIO]) -> None:
    handler.setFormatter(through(structlog.processors.JSONRenderer(serializer=serializer)))
    structlog.get_logger("tests.structlog").info("paid", **ODD)
    assert lines(handler.stream.getvalue()) == [{**WRITTEN, "event": "paid", "level": "info"}]


def test_a_record_of_a_library_is_written_through_logging(handler: logging.StreamHandler[io.StringIO]) -> None:
    handler.setFormatter(through(structlog.processors.JSONRenderer(serializer=serializer)))
    logging.getLogger("tests.structlog").warning("took %d ms", 3, extra=ODD)
    assert lines(handler.stream.getvalue()) == [{**WRITTEN, "event": "took 3 ms", "level": "warning"}]


def test_an_exception_keeps_its_traceback_and_not_its_secret() -> None:
    file = io.BytesIO()
    log = alone(file, structlog.processors.JSONRenderer(serializer=bytes_serializer))
    try:
        int("token=abcdefghij0123456789")
    except ValueError:
        log.exception("failed")
    (line,) = lines(file.getvalue())
    assert line["exception"]["type"] == "ValueError"
    assert "test_structlog.py" in line["exception"]["traceback"]
    assert b"abcdefghij" not in file.getvalue()


@pytest.mark.parametrize("odd", ["pairs", "text"])
def test_the_plain_renderer_loses_the_line(odd: str) -> None:
    file = io.BytesIO()
    log = alone(file, structlog.processors.JSONRenderer(ensure_ascii=False))
    with pytest.raises((TypeError, UnicodeEncodeError)):
        log.info("paid", **{odd: ODD[odd]})
    assert file.getvalue() == b""


def test_an_object_that_structlog_would_ask_is_a_marker() -> None:
    class Order:
        __slots__ = ()

        def __structlog__(self) -> str:
            raise AssertionError("not asked")

    file = io.BytesIO()
    alone(file, structlog.processors.JSONRenderer(serializer=bytes_serializer)).info("paid", order=Order())
    (line,) = lines(file.getvalue())
    assert line["order"]["$lost"] == "opaque"


@pytest.mark.parametrize("write", [serializer, bytes_serializer])
def test_an_option_that_would_do_nothing_is_refused(write: Any) -> None:
    with pytest.raises(TypeError, match="sort_keys"):
        alone(io.BytesIO(), structlog.processors.JSONRenderer(serializer=write, sort_keys=True)).info("paid")
