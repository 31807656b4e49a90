"""Ask the running service one question: `python client.py "When does my train leave?"`."""

import json
import os
import sys

import httpx


def ask(url: str, text: str) -> None:
    with httpx.Client(base_url=url, timeout=30.0) as http:
        created = http.post("/conversations", json={"user": "anna", "title": text[:200]})
        conversation_id = created.raise_for_status().json()["id"]
        question = {"conversation_id": conversation_id, "text": text}
        with http.stream("POST", "/chat", json=question) as answer:
            for line in answer.raise_for_status().iter_lines():
                if line.startswith("data: "):
                    print(json.loads(line.removeprefix("data: ")).get("text", ""), end="", flush=True)
        kept = http.get(f"/conversations/{conversation_id}/history").raise_for_status().json()
        print(f"\n({len(kept)} messages kept)")


if __name__ == "__main__":
    ask(os.environ.get("AGENT_URL", "http://127.0.0.1:8000"), " ".join(sys.argv[1:]) or "Who are you?")
