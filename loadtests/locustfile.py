"""Users of the sample backend: each asks twice a second, in conversations of ten questions.

    locust --locustfile loadtests/locustfile.py --host http://127.0.0.1:8000
    LOAD_SEEN=seen.jsonl locust ...       one line a question, as `loadtests.load.figures.Asked`

Answers without memories are whole answers; Locust's own tables list them apart.
"""

# mypy: disable-error-code="import-not-found,misc,untyped-decorator"
# Locust may be absent where this is checked, and leaves its listeners untyped.

import json
import os
from itertools import cycle
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_throughput, events, task

QUESTIONS = ("Where is my refund?", "When does my train leave?", "What was the price of the hotel?")
IN_A_CONVERSATION = 10
SEEN = os.environ.get("LOAD_SEEN")


class Asker(FastHttpUser):
    """One of many; asks on when an answer is late, but never two questions at once."""

    wait_time = constant_throughput(2)
    connection_timeout = network_timeout = float(os.environ.get("LOAD_GIVES_UP", "10"))

    def on_start(self) -> None:
        self.questions = cycle(QUESTIONS)
        self.asked = 0
        self.conversation = None

    @task
    def ask(self) -> None:
        if self.asked % IN_A_CONVERSATION == 0:
            self.conversation = None
        if self.conversation is None:
            begun = {"user": f"user-{id(self)}", "title": "Load"}
            created = self.client.post("/conversations", json=begun)
            if created.status_code != 201:
                return
            self.conversation = created.json()["id"]
        self.asked += 1
        question = {"conversation_id": self.conversation, "text": next(self.questions)}
        with self.client.post("/chat", json=question, catch_response=True) as answer:
            text = answer.text or ""
            degraded = '"degraded":"memory"' in text
            answer.request_meta["context"] = {"degraded": degraded}
            if degraded:
                answer.request_meta["name"] = "/chat, without memories"
            if answer.status_code == 200 and "event: done" not in text:
                answer.failure("the answer is not whole")


@events.request.add_listener
def note(name: str, start_time: float, response_time: float, exception: Any, context: Any, **_: Any) -> None:
    """Write a line; a conversation that could not be begun is a question without an answer."""
    if SEEN is None or (not name.startswith("/chat") and exception is None):
        return
    error = "" if exception is None else f"{type(exception).__name__}: {exception}"
    degraded = bool(context.get("degraded")) and not error
    line = {"at": start_time, "took": response_time / 1000, "error": error, "degraded": degraded}
    with Path(SEEN).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
