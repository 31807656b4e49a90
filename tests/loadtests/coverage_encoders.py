"""Encoders that behave in one known way each, for the tests of the runner."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any


def warming(payload: Any) -> bool:
    """Whether this is one of the calls that come before the kinds."""
    return payload["k"] == "warm" or type(payload["k"]) is object


def keeps(payload: Any) -> tuple[str, bool]:
    return json.dumps(payload, default=str), False


def raises(payload: Any) -> tuple[str, bool]:
    if not warming(payload):
        raise SystemExit(3)
    return "{}", False


def hangs(payload: Any) -> tuple[str, bool]:
    if not warming(payload):
        time.sleep(600)
    return "{}", False


def dies(payload: Any) -> tuple[str, bool]:
    if not warming(payload):
        os.kill(os.getpid(), signal.SIGSEGV)
    return "{}", False


def invalid(payload: Any) -> tuple[str, bool]:
    return '{"k": NaN}', False


def silent(payload: Any) -> tuple[bytes, bool]:
    return b'{"k":null}', False


def reports(payload: Any) -> tuple[bytes, bool]:
    return b'{"k":null}', True


def chatty(payload: Any) -> tuple[str, bool]:
    # What a library prints is no answer.
    os.write(1, b'{"raised": "Nothing"}\n')
    os.write(2, b"warning " * 20_000)
    return keeps(payload)


def broken(payload: Any) -> tuple[str, bool]:
    raise ModuleNotFoundError("no such library")
