"""The service through its own front door; run with `python -m pytest tests`."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from guardrails.testing.faults import Fault, FaultServer
from guardrails.testing.stand_in import asks_for_rest, repeats


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGENT_DB", str(tmp_path_factory.mktemp("db") / "agent.db"))
        from app.main import app  # after the variable is set: the engine is made at import

        with TestClient(app) as started:
            yield started


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A model that fails as it is told."""
    from app import llm

    with FaultServer(repeats) as server:
        monkeypatch.setattr(llm.client, "base_url", f"{server.url}/v1")
        yield server


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


def test_without_its_memory_it_answers_and_says_so(client: TestClient) -> None:
    from app.guards import memory

    created = client.post("/conversations", json={"user": "dora", "title": "Train"}).json()
    question = {"conversation_id": created["id"], "text": "When does the train leave?"}
    memory.read.guard.isolate("no memory in this test")
    answer = client.post("/chat", json=question).text
    searched = client.get("/memory/search", params={"user": "dora", "q": "train"})
    memory.read.guard.release()

    assert '"degraded":"memory"' in answer
    assert "event: done" in answer
    assert searched.status_code == 503  # not an empty list: nobody has looked
    # Writes have a health of their own: what was asked meanwhile is remembered.
    found = client.get("/memory/search", params={"user": "dora", "q": "train"}).json()
    assert found == ["When does the train leave?"]
    assert '"degraded"' not in client.post("/chat", json=question).text


def test_a_model_that_is_not_to_be_called_ends_the_answer_with_an_error(client: TestClient) -> None:
    from app.guards import llm

    created = client.post("/conversations", json={"user": "emil", "title": "Hello"}).json()
    llm.isolate("no model in this test")
    answer = client.post("/chat", json={"conversation_id": created["id"], "text": "Hello?"}).text
    llm.release()

    assert [line for line in answer.splitlines() if line.startswith("event: ")] == ["event: start", "event: error"]


def test_an_answer_that_breaks_off_arrives_whole_and_says_so(client: TestClient, model: FaultServer) -> None:
    model.fault = lambda asked: None if asks_for_rest(asked) else Fault.cut(at=0.9)
    created = client.post("/conversations", json={"user": "gina", "title": "Hello"}).json()
    answer = client.post("/chat", json={"conversation_id": created["id"], "text": "Hello?"}).text
    kept = client.get(f"/conversations/{created['id']}/messages").json()

    assert '"healed":true' in answer
    assert kept[-1]["text"].endswith("You asked: Hello?")
    assert len(model.asked) == 2  # both are billed


def test_half_an_answer_is_called_half_and_not_kept(client: TestClient, model: FaultServer) -> None:
    model.fault = Fault.cut(at=0.5)
    created = client.post("/conversations", json={"user": "hugo", "title": "Hello"}).json()
    answer = client.post("/chat", json={"conversation_id": created["id"], "text": "Hello?"}).text
    kept = client.get(f"/conversations/{created['id']}/messages").json()

    assert answer.endswith('event: error\ndata: {"detail":"the answer was cut","partial":true}\n\n')
    assert [message["role"] for message in kept] == ["user"]


def test_prometheus_is_told_what_the_guards_saw(client: TestClient) -> None:
    client.get("/memory/search", params={"user": "fay", "q": "train"})
    assert 'guardrails_calls_total{guard="memory.read",outcome="success"}' in client.get("/metrics").text
