"""Both sample services, started for real: what each planted defect does to a user, and its repair."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from guardrails.testing.faults import Asked, Fault, FaultServer
from guardrails.testing.stand_in import asks_for_rest, repeats
from loadtests.load.processes import running

EXAMPLES = Path(__file__).parents[2] / "examples"
AFTER, BEFORE = "agent_backend", "agent_backend_before"
# Two servers in all, not two for each worker of xdist.
pytestmark = pytest.mark.xdist_group("services")
BOTH = pytest.mark.parametrize("name", [AFTER, BEFORE])
KEY = "correct-horse"
PATIENCE = 30.0  # seconds for a start or an end on a busy machine; both take about one


@dataclass(frozen=True)
class Service:
    http: httpx.Client
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text()

    def logged(self, event: str) -> list[dict[str, object]]:
        """The log's lines of this event. Between them stand uvicorn's, which are no JSON."""
        whole = self.log().split("\n")[:-1]
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def conversation(self, user: str = "anna", title: str = "Refund") -> int:
        return self.http.post("/conversations", json={"user": user, "title": title}).raise_for_status().json()["id"]

    def ask(self, conversation_id: int, text: str) -> list[tuple[str, dict[str, object]]]:
        """Ask over SSE; the events of the answer, in order."""
        question = {"conversation_id": conversation_id, "text": text}
        events = []
        with self.http.stream("POST", "/chat", json=question) as answer:
            answer.raise_for_status()
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line:
                    events.append((event, json.loads(line.removeprefix("data: "))))
        return events


def wait_until(done: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:g} s"
        time.sleep(0.02)


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would reach into the sample: paths, pytest, settings."""
    ours = ("AGENT_", "COV", "PYTEST_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"NO_PROXY": "127.0.0.1"} | extra


def copy(name: str, folder: Path) -> Path:
    return shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.db", ".*"))


def run(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )


@contextmanager
def served(name: str, folder: Path, **extra: str) -> Iterator[Service]:
    """The sample under uvicorn, in a copy of its folder, on a port that the system picks, for one block."""
    log_file = folder / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "0"],
            cwd=copy(name, folder),
            env=environment(AGENT_API_KEY=KEY, **extra),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def address() -> re.Match[str] | None:
        assert process.poll() is None, f"{name} ended with {process.returncode}:\n{log_file.read_text()}"
        return re.search(r"running on (http://127\.0\.0\.1:\d+)", log_file.read_text())

    try:
        wait_until(address, f"{name} listens")
        found = address()
        assert found
        with httpx.Client(base_url=found[1], timeout=PATIENCE, trust_env=False) as http:
            yield Service(http, log_file)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Service]]:
    """Starts a sample when a test first asks for it."""
    started: dict[str, Service] = {}
    with ExitStack() as stack:

        def start(name: str) -> Service:
            if name not in started:
                started[name] = stack.enter_context(served(name, tmp_path_factory.mktemp(name)))
            return started[name]

        yield start


@pytest.fixture
def after(services: Callable[[str], Service]) -> Service:
    return services(AFTER)


@pytest.fixture
def before(services: Callable[[str], Service]) -> Service:
    return services(BEFORE)


# The service itself: what both samples must do.


@BOTH
def test_service_starts_and_says_that_it_is_healthy(services, name):
    answer = services(name).http.get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@BOTH
def test_answer_arrives_whole_and_is_kept_as_it_was_streamed(services, name):
    service = services(name)
    conversation_id = service.conversation()

    events = service.ask(conversation_id, "Where is my refund?")

    kinds = [kind for kind, _ in events]
    text = "".join(str(data["text"]) for kind, data in events if kind == "token")
    kept = service.http.get(f"/conversations/{conversation_id}/messages").json()
    assert kinds == ["start", *["token"] * (len(events) - 2), "done"]
    assert events[-1][1] == {"characters": len(text)}
    assert text.endswith("You asked: Where is my refund?")
    assert [(m["role"], m["text"]) for m in kept] == [("user", "Where is my refund?"), ("assistant", text)]


@BOTH
def test_question_in_an_unknown_conversation_is_refused_before_the_stream_starts(services, name):
    answer = services(name).http.post("/chat", json={"conversation_id": 999_999, "text": "Hello?"})

    assert (answer.status_code, answer.json()) == (404, {"detail": "no conversation 999999"})


@pytest.mark.slow  # a test run of its own, with the start of a service in it
@BOTH
def test_tests_of_the_sample_are_green(tmp_path, name):
    ended = run(copy(name, tmp_path), "-m", "pytest", "tests", "-q", "-p", "no:cacheprovider")

    assert (ended.returncode, ended.stdout.count("passed")) == (0, 1), ended.stdout


def test_fewer_than_ten_messages_wait_for_their_topic(after):
    conversation_id = after.conversation()

    after.ask(conversation_id, "Is there a train?")

    assert topics(after, conversation_id) == [None, None]
    waits = after.logged("extraction waits for more messages")
    assert [line["waiting"] for line in waits if line["conversation"] == conversation_id] == [2]


def test_message_that_fits_no_topic_is_named_in_the_log(after):
    conversation_id = after.conversation(user="ugo")

    fill(after, conversation_id, "Who are you?")

    kept = after.http.get(f"/conversations/{conversation_id}/messages").json()
    ids = [m["id"] for m in kept]
    wait_until(
        lambda: ids in [line["messages"] for line in after.logged("no topic fits")], "the unsorted messages named"
    )
    assert topics(after, conversation_id) == ["unsorted"] * 10


# What is guarded.


@pytest.mark.slow  # five searches of half a second each, and two cooldowns
def test_service_answers_without_a_memory_that_is_slow_says_so_and_remembers_what_was_asked(tmp_path):
    command = [sys.executable, "-m", "loadtests.load.memory"]
    with ExitStack() as stack:
        memory = stack.enter_context(running("memory", command, tmp_path, EXAMPLES.parent))
        service = stack.enter_context(served(AFTER, tmp_path, AGENT_MEMORY_URL=memory.address()))
        conversation_id = service.conversation(user="vera")
        well = service.ask(conversation_id, "Is there a train?")
        plan = {"begins": 0.0, "ends": time.time() + 3600, "delay": 3600.0}
        httpx.post(f"{memory.address()}/plan", json=plan, trust_env=False).raise_for_status()
        slow = [service.ask(conversation_id, "Is there a hotel?") for _ in range(6)]
        state = service.http.get("/guardrails/state").json()["guards"]
        refused = service.http.get("/memory/search", params={"user": "vera", "q": "hotel"})
        httpx.post(f"{memory.address()}/plan", json={**plan, "ends": 1.0}, trust_env=False).raise_for_status()
        found: list[str] = []

        def remembers() -> bool:
            answer = service.http.get("/memory/search", params={"user": "vera", "q": "hotel"})
            found[:] = answer.json() if answer.status_code == 200 else []
            return bool(found)

        wait_until(remembers, "the memory is asked again")

    assert well[0] == ("start", {"prompt": "2025-06"})
    assert [events[0] for events in slow] == [("start", {"prompt": "2025-06", "degraded": "memory"})] * 6
    assert [events[-1][0] for events in slow] == ["done"] * 6
    assert "out of reach" in "".join(str(data["text"]) for kind, data in slow[0] if kind == "token")
    states = {guard["name"]: guard["circuit"]["state"] for guard in state}
    assert states == {"memory.read": "open", "memory.write": "closed", "llm": "closed"}
    assert refused.status_code == 503
    assert found == ["Is there a hotel?"] * 3


@pytest.mark.slow  # two starts of the application
def test_guards_can_be_switched_off_for_a_comparison(tmp_path):
    """That no time limit is left shows in the load run: an answer then takes as long as the client lets it."""
    program = """
from app.guards import llm, memory
from app.main import app
print([guard.state for guard in (memory.read.guard, memory.write.guard, llm)], llm.snapshot().active)
print([middleware.cls.__name__ for middleware in app.user_middleware])
"""
    folder = copy(AFTER, tmp_path)

    on, off = (run(folder, "-c", program, **extra).stdout for extra in ({}, {"AGENT_GUARDS": "off"}))

    assert on == "['closed', 'closed', 'closed'] 0\n['GuardMiddleware']\n"
    assert off == "['disabled', 'disabled', 'disabled'] None\n[]\n"


@pytest.mark.slow  # two starts of a service, and waits between attempts
def test_answer_that_the_model_cuts_arrives_whole_and_is_kept_as_whole_only_if_it_is(tmp_path):
    ended, kept, meant, requests = {}, {}, {}, {}
    for name in (BEFORE, AFTER):
        (folder := tmp_path / name).mkdir()
        with FaultServer(repeats) as model, served(name, folder, AGENT_LLM_URL=f"{model.url}/v1") as service:
            for fault in (once_at_90_percent, Fault.cut(at=0.5)):
                model.fault = fault
                model.asked.clear()
                conversation_id = service.conversation()
                events = service.ask(conversation_id, "Where is my refund?")
                messages = service.http.get(f"/conversations/{conversation_id}/messages").json()
                key = (name, fault is once_at_90_percent)
                ended[key] = events[-1]
                kept[key] = [m["text"] for m in messages if m["role"] == "assistant"]
                meant[key] = repeats(model.asked[0])
                requests[key] = len(model.asked)
            if name == AFTER:
                healed = re.findall(r"^guardrails_heals_total{.*} .*$", service.http.get("/metrics").text, re.MULTILINE)

    whole = meant[AFTER, True]
    assert ended[AFTER, True] == ("done", {"characters": len(whole), "healed": True})
    assert kept[AFTER, True] == [whole]
    assert ended[AFTER, False] == ("error", {"detail": "the answer was cut", "partial": True})
    assert kept[AFTER, False] == []
    for at_once in (True, False):
        (half,) = kept[BEFORE, at_once]
        assert ended[BEFORE, at_once] == ("done", {"characters": len(half)})
        assert meant[BEFORE, at_once].startswith(half)
        assert half != meant[BEFORE, at_once]
    assert list(requests.values()) == [1, 1, 2, 3]
    assert {line.rpartition(" ")[0].partition("{")[2] for line in healed} == {
        'fault="truncated",rung="resume",wire="openai-chat"}',
        'fault="truncated",rung="raised",wire="openai-chat"}',
    }


@pytest.mark.slow  # a start of a service
def test_without_guards_half_an_answer_is_not_healed_and_still_told_from_a_whole_one(tmp_path):
    with (
        FaultServer(repeats, fault=once_at_90_percent) as model,
        served(AFTER, tmp_path, AGENT_LLM_URL=f"{model.url}/v1", AGENT_GUARDS="off") as service,
    ):
        conversation_id = service.conversation()
        events = service.ask(conversation_id, "Where is my refund?")
        kept = service.http.get(f"/conversations/{conversation_id}/messages").json()

    assert events[-1] == ("error", {"detail": "the answer was cut", "partial": True})
    assert [message["role"] for message in kept] == ["user"]
    assert len(model.asked) == 1


# One test a rule, in the order of the README of the sample.


def test_shadow_001_prompt_beside_a_package_of_its_name_is_never_used(before, after):
    prompts = [service.ask(service.conversation(), "Hello?")[0] for service in (before, after)]

    assert prompts == [("start", {"prompt": "2025-02"}), ("start", {"prompt": "2025-06"})]
    assert 'VERSION = "2025-06"' in (EXAMPLES / BEFORE / "app/prompts.py").read_text()


@pytest.mark.parametrize("arguments", [("-c", "import cProfile"), ("-m", "cProfile", "-m", "json.tool", "--help")])
def test_shadow_002_profiler_of_the_standard_library_is_broken(tmp_path, arguments):
    broken, sound = (run(copy(name, tmp_path), *arguments) for name in (BEFORE, AFTER))

    assert (broken.returncode, sound.returncode) == (1, 0)
    assert "AttributeError: module 'profile' has no attribute 'run'" in broken.stderr


def test_shadow_003_stub_beside_the_application_hides_the_installed_metrics_library(before, after):
    for service in (before, after):
        service.ask(service.conversation(), "Hello?")

    scraped = [service.http.get("/metrics").text for service in (before, after)]

    assert scraped[0] == ""
    assert re.search(r'^agent_answers_total\{outcome="complete"\} [1-9]', scraped[1], re.MULTILINE)


def test_deco_001_wrapped_task_cannot_be_queued_and_no_topic_is_ever_extracted(before, after):
    # A user of its own: answers repeat what is remembered, and so would carry the topics of other tests.
    spoilt, sound = before.conversation(user="theo"), after.conversation(user="theo")
    for service, conversation_id in ((before, spoilt), (after, sound)):
        fill(service, conversation_id, "When does my train leave?")

    wait_until(lambda: None not in topics(after, sound), "topics extracted")
    assert topics(after, sound) == ["travel"] * 10
    wait_until(lambda: "extract_topics" in [line["call"] for line in after.logged("timed")], "the task's time logged")
    assert "extraction not queued" not in after.log()
    # Queueing is tried before the answer ends, so there is nothing to wait for here.
    assert topics(before, spoilt) == [None] * 10
    assert "AttributeError: 'function' object has no attribute 'kiq'" in before.log()


def test_deco_002_wrapper_above_the_route_leaves_deletion_open_to_anyone(before, after):
    assert before.http.delete(f"/conversations/{before.conversation()}").status_code == 204

    conversation_id = after.conversation()
    address = f"/conversations/{conversation_id}"
    given = [{}, {"X-API-Key": "wrong"}, {"X-API-Key": KEY}]
    assert [after.http.delete(address, headers=headers).status_code for headers in given] == [401, 401, 204]
    assert after.http.get(address).status_code == 404


def test_deco_003_wrapper_above_the_exception_handler_logs_nothing(before, after):
    answers = [service.http.get("/conversations/424242") for service in (before, after)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "no conversation 424242" not in before.log()
    (refused,) = [line for line in after.logged("request refused") if line["path"] == "/conversations/424242"]
    assert refused["why"] == "no conversation 424242"
    assert refused["request"] == answers[1].headers["x-request-id"]


@pytest.mark.parametrize(("name", "can_be_queued"), [(BEFORE, False), (AFTER, True)])
def test_deco_004_example_in_the_docstring_is_what_its_readers_copy(tmp_path, name, can_be_queued):
    program = """
from app import decorators
from app.decorators import timed
from app.tasks import broker
example = decorators.__doc__[decorators.__doc__.index("    @"):]
exec("if True:\\n" + example)
print(hasattr(summarise, "kiq"))
"""
    ended = run(copy(name, tmp_path), "-c", program)

    assert (ended.stdout, ended.stderr) == (f"{can_be_queued}\n", "")


def test_route_001_second_handler_of_a_path_is_dead_and_its_404_with_it(before, after):
    answers = [service.http.get("/conversations/424243/messages") for service in (before, after)]

    assert [answer.status_code for answer in answers] == [200, 404]
    assert [answer.json() for answer in answers] == [[], {"detail": "no conversation 424243"}]


def test_route_002_parameter_route_swallows_the_export(before, after):
    conversation_id = after.conversation(title="To be exported")

    spoilt, sound = (service.http.get("/conversations/export") for service in (before, after))

    exported = {"id": conversation_id, "user": "anna", "title": "To be exported", "messages": []}
    assert (spoilt.status_code, spoilt.json()["detail"][0]["input"]) == (422, "export")
    assert (sound.status_code, exported in sound.json()) == (200, True)


def test_route_003_prefix_given_twice_is_a_path_with_the_prefix_twice(before, after):
    for service in (before, after):
        service.ask(service.conversation(user="dora"), "When does the train to Oslo leave?")
    wanted = {"user": "dora", "q": "Oslo"}

    found = {
        (service is after, path): service.http.get(path, params=wanted).status_code
        for service in (before, after)
        for path in ("/memory/search", "/memory/memory/search")
    }

    assert found == {
        (False, "/memory/search"): 404,
        (False, "/memory/memory/search"): 200,
        (True, "/memory/search"): 200,
        (True, "/memory/memory/search"): 404,
    }
    remembered = after.http.get("/memory/search", params=wanted).json()
    assert remembered == ["When does the train to Oslo leave?"]


def test_route_004_router_included_twice_makes_its_operation_ambiguous(before, after):
    for service in (before, after):
        service.http.get("/openapi.json").raise_for_status()

    assert "Duplicate Operation ID ask_chat_post" in before.log()
    assert "Duplicate Operation ID" not in after.log()


def test_route_005_legacy_router_answers_in_the_place_of_the_new_one(before, after):
    spoilt, sound = before.conversation(title="Hotel"), after.conversation(title="Hotel")

    listed = [service.http.get("/conversations").json() for service in (before, after)]

    assert listed[0].keys() == {"conversations"}
    assert spoilt in listed[0]["conversations"]
    assert {"id": sound, "user": "anna", "title": "Hotel", "messages": 0} in listed[1]


def test_route_006_client_asks_for_a_path_that_no_route_serves(tmp_path, before, after):
    spoilt, sound = (
        run(EXAMPLES / name, "-B", "client.py", "Who", "are", "you?", AGENT_URL=str(service.http.base_url))
        for name, service in ((BEFORE, before), (AFTER, after))
    )

    assert (spoilt.returncode, sound.returncode) == (1, 0)
    assert spoilt.stdout.endswith("You asked: Who are you?")
    assert re.search(r"404 Not Found' for url '.*/conversations/\d+/history'", spoilt.stderr)
    assert sound.stdout.endswith("You asked: Who are you?\n(2 messages kept)\n")


# The two trees.


def test_readme_of_the_spoilt_sample_names_every_rule_once_with_a_file_that_exists():
    rows = re.findall(r"^\| (GR-\S+) \| `(\S+)` \|", (EXAMPLES / BEFORE / "README.md").read_text(), re.MULTILINE)

    ranks = {"SHADOW": 3, "DECO": 4, "ROUTE": 6}
    assert [rule for rule, _ in rows] == [
        f"GR-{family}-{n:03}" for family, last in ranks.items() for n in range(1, last + 1)
    ]
    assert [file for _, file in rows if not (EXAMPLES / BEFORE / file).is_file()] == []


def test_trees_differ_only_where_a_defect_was_repaired_and_where_something_is_guarded():
    trees = [
        {f.relative_to(root): f.read_bytes() for f in files(root)} for root in (EXAMPLES / BEFORE, EXAMPLES / AFTER)
    ]
    every = sorted(set().union(*trees))

    differing = [path.as_posix() for path in every if trees[0].get(path) != trees[1].get(path)]

    guarded = {"app/guards.py", "app/llm.py", "app/logs.py", "app/memory.py", "app/prompts.py", "pyproject.toml"}
    assert guarded < set(differing)
    assert [path for path in differing if path not in guarded] == [
        "README.md",
        "app/decorators.py",
        "app/main.py",
        "app/profiles.py",
        "app/prompts/__init__.py",
        "app/routers/chat.py",
        "app/routers/conversations.py",
        "app/routers/legacy.py",
        "app/routers/memory.py",
        "app/tasks.py",
        "client.py",
        "profile.py",
        "prometheus_client.py",
        "tests/test_api.py",
    ]


@BOTH
def test_migration_makes_the_tables_that_the_models_name(tmp_path, name):
    folder, database = copy(name, tmp_path), tmp_path / "migrated.db"

    upgraded = run(folder, "-m", "alembic", "upgrade", "head", AGENT_DB=str(database))
    compared = run(folder, "-m", "alembic", "check", AGENT_DB=str(database))

    assert (upgraded.returncode, compared.returncode) == (0, 0), upgraded.stderr + compared.stderr
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    assert tables == [("alembic_version",), ("conversations",), ("messages",)]
    assert list(folder.glob("*.db")) == []


def once_at_90_percent(asked: Asked) -> Fault | None:
    """A first attempt is cut; what is left of the answer comes through."""
    return None if asks_for_rest(asked) else Fault.cut(at=0.9)


def fill(service: Service, conversation_id: int, text: str) -> None:
    """Five questions with their answers: the ten messages at which an extraction is due."""
    for _ in range(5):
        service.ask(conversation_id, text)


def topics(service: Service, conversation_id: int) -> list[str | None]:
    return [m["topic"] for m in service.http.get(f"/conversations/{conversation_id}/messages").json()]


def files(root: Path) -> list[Path]:
    made_here = {"__pycache__", ".guardrails"}
    return [f for f in root.rglob("*") if f.is_file() and not made_here & {*f.parts} and f.suffix != ".db"]
