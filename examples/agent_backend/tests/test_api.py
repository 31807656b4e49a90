"""The service through its own front door; run with `python -m pytest tests`."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENT_DB", str(tmp_path_factory.mktemp("db") / "agent.db"))
        from app.main import app  # after the variable is set: the engine is made at import

        with TestClient(app) as started:
            yield started


def test_an_answer_is_streamed_and_kept(client: TestClient) -> None:
    created = client.post("/conversations", json={"user": "ben", "title": "Refund"}).json()
    question = {"conversation_id": created["id"], "text": "Where is my refund?"}
    assert "event: done" in client.post("/chat", json=question).text
    assert client.get(f"/conversations/{created['id']}").json()["messages"] == 2


def test_a_question_is_found_in_the_memory(client: TestClient) -> None:
    created = client.post("/conversations", json={"user": "cleo", "title": "Train"}).json()
    client.post("/chat", json={"conversation_id": created["id"], "text": "When does the train leave?"})
    found = client.get("/memory/search", params={"user": "cleo", "q": "train"}).json()
    assert found == ["When does the train leave?"]
