"""Users of the sample backend: each asks twice a second, in conversations of ten questions.

    locust --locustfile loadtests/locustfile.py --host http://127.0.0.1:8000
    LOAD_SEEN=seen.jsonl locust ...       one line a question, as `loadtests.load.figures.Asked`

Answers without memories are whole answers, and so are those that were healed; Locust's own tables list them apart. That
one is whole is known from the stand-in for a model, which ends each answer with the question.
"""

# mypy: disable-error-code="import-not-found,misc,untyped-decorator"
# Locust may be absent where this is checked, and leaves its listeners untyped.

import json
import os
import time
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
        question = next(self.questions)
        asked = {"conversation_id": self.conversation, "text": question}
        sent = time.perf_counter()
        # Else Locust hands it out when it is whole, and nobody knows when it began.
        with self.client.post("/chat", json=asked, stream=True, catch_response=True) as answer:
            body, first = b"", None
            try:
                for piece in answer.iter_content(64, decode_content=False) if answer.status_code == 200 else ():
                    body += piece
                    if first is None and b"event: token" in body:
                        first = time.perf_counter() - sent
            except OSError as exc:
                answer.failure(exc)
            else:
                if answer.status_code == 200 and not is_whole(body, question):
                    answer.failure("the answer is not whole")
            answer.request_meta["response_time"] = (time.perf_counter() - sent) * 1000
            degraded, healed = b'"degraded":"memory"' in body, b'"healed":true' in body
            answer.request_meta["context"] = {"degraded": degraded, "healed": healed, "first": first}
            apart = [what for what, so in (("without memories", degraded), ("healed", healed)) if so]
            answer.request_meta["name"] = ", ".join(["/chat", *apart])


def is_whole(body: bytes, question: str) -> bool:
    """Whether the events say that the answer has ended, and it has."""
    events = [event.partition(b"\ndata: ") for event in body.split(b"\n\n")]
    text = "".join(json.loads(data)["text"] for kind, _, data in events if kind == b"event: token")
    return any(kind == b"event: done" for kind, _, _ in events) and text.endswith(question)


@events.request.add_listener
def note(name: str, start_time: float, response_time: float, exception: Any, context: Any, **_: Any) -> None:
    """Write a line; a conversation that could not be begun is a question without an answer."""
    if SEEN is None or (not name.startswith("/chat") and exception is None):
        return
    error = "" if exception is None else f"{type(exception).__name__}: {exception}"
    line = {
        "at": start_time,
        "took": response_time / 1000,
        "error": error,
        "degraded": bool(context.get("degraded")) and not error,
        "healed": bool(context.get("healed")) and not error,
        "first": context.get("first"),
    }
    with Path(SEEN).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
