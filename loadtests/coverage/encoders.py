"""The encoders and how each is called: as patient as its own documentation lets it be.

An adapter takes the payload and returns the output, and whether the encoder's own report says that something is lost.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

Output = tuple[bytes | str, bool]


class Encoder(NamedTuple):
    """`call`: `module:function` of the adapter; `package`: the distribution whose version is printed."""

    name: str
    call: str
    package: str
    configuration: str


def ours(payload: Any) -> Output:
    from guardrails import jsonsafe

    encoded = jsonsafe.encode(payload)
    return encoded.data, encoded.report.lossy


def stdlib(payload: Any) -> Output:
    return json.dumps(payload, default=str), False


def orjson(payload: Any) -> Output:
    import orjson

    return orjson.dumps(payload, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY), False


def msgspec(payload: Any) -> Output:
    import msgspec

    return msgspec.json.encode(payload, enc_hook=str), False


def pydantic(payload: Any) -> Output:
    import pydantic_core

    patient: Any = {"serialize_unknown": True, "bytes_mode": "base64", "inf_nan_mode": "strings"}
    return pydantic_core.to_json(payload, **patient), False


def fastapi(payload: Any) -> Output:
    from fastapi.encoders import jsonable_encoder
    from fastapi.responses import JSONResponse

    return bytes(JSONResponse(jsonable_encoder(payload)).body), False


def kombu(payload: Any) -> Output:
    from kombu.utils import json as kombu_json

    dumps: Any = kombu_json.dumps  # not typed
    return str(dumps(payload)), False


def structlog(payload: Any) -> Output:
    import structlog

    return structlog.processors.JSONRenderer()(None, "info", payload), False


def langsmith(payload: Any) -> Output:
    from langsmith._internal._serde import dumps_json

    return dumps_json(payload), False


def langfuse(payload: Any) -> Output:
    from langfuse._utils.serializer import EventSerializer

    return json.dumps(payload, cls=EventSerializer), False


def logfire(payload: Any) -> Output:
    from logfire._internal.json_encoder import logfire_json_dumps

    return logfire_json_dumps(payload), False


HERE = __name__
ENCODERS = (
    Encoder("guardrails", f"{HERE}:ours", "guardrails-ops", "jsonsafe.encode(x)"),
    Encoder("json", f"{HERE}:stdlib", "", "json.dumps(x, default=str)"),
    Encoder(
        "orjson",
        f"{HERE}:orjson",
        "orjson",
        "orjson.dumps(x, default=str, option=OPT_NON_STR_KEYS | OPT_SERIALIZE_NUMPY)",
    ),
    Encoder("msgspec", f"{HERE}:msgspec", "msgspec", "msgspec.json.encode(x, enc_hook=str)"),
    Encoder(
        "pydantic_core",
        f"{HERE}:pydantic",
        "pydantic_core",
        'to_json(x, serialize_unknown=True, bytes_mode="base64", inf_nan_mode="strings")',
    ),
    Encoder("fastapi", f"{HERE}:fastapi", "fastapi", "JSONResponse(jsonable_encoder(x))"),
    Encoder("kombu", f"{HERE}:kombu", "kombu", "kombu.utils.json.dumps(x)"),
    Encoder("structlog", f"{HERE}:structlog", "structlog", "structlog.processors.JSONRenderer()"),
    Encoder("langsmith", f"{HERE}:langsmith", "langsmith", "dumps_json(x), as its client calls it"),
    Encoder("langfuse", f"{HERE}:langfuse", "langfuse", "json.dumps(x, cls=EventSerializer), as its client calls it"),
    Encoder("logfire", f"{HERE}:logfire", "logfire", "logfire_json_dumps(x), as its spans call it"),
)
