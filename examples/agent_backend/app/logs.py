"""One JSON object a line; `extra={"fields": {...}}` adds to it. No value keeps a line from being written."""

import logging
import os

from guardrails import jsonsafe
from guardrails.middleware.asgi import request_id


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            "request": request_id(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return jsonsafe.dumps(line).decode()


def configure() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=os.environ.get("AGENT_LOG_LEVEL", "INFO"), handlers=[handler])
