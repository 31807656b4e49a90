"""`make demo`: the gate stops a broken agent backend and passes a sound one, and both are then started.

What the gate said of the code is shown happening: each service answers the same requests. Then their model breaks off
its answers, and what arrives is counted. Everything runs on the loopback address and ends by itself; what is written
is under build/demo/.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import httpx

from guardrails.testing.faults import Fault, FaultServer
from guardrails.testing.stand_in import asks_for_rest, repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from guardrails.testing.faults import Asked

HERE = Path(__file__).parent
BEFORE, AFTER = "agent_backend_before", "agent_backend"
PATIENCE = 30.0  # seconds for a start on a busy machine; it takes about two
CUT = Fault.cut(at=0.9)
MANY, FEW = 20, 3  # answers that are cut once, and answers of which every attempt is cut


class Symptom(NamedTuple):
    """What a user does, and the rule whose defect decides how it ends."""

    rule: str
    what: str
    ask: Callable[[httpx.Client], str]


class Answer(NamedTuple):
    """One answer: what the model meant to say, what came to the user and how it ended, and what the history keeps."""

    question: str
    meant: str
    came: str
    ended: str
    kept: str
    requests: int


class Seen(NamedTuple):
    """What one service did: a line a symptom, its answers that were cut once, and those of which every attempt was."""

    symptoms: list[str]
    cut_once: list[Answer]
    cut_always: list[Answer]


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=HERE.parent / "build" / "demo", help="For the reports.")
def main(out: Path) -> None:
    """Gate both samples, start both, compare; exit 0 when the gate did its work."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    say(click.style("1. The gate over the backend as it was", bold=True))
    stopped = gate(BEFORE, out)
    say(click.style("\n2. The gate over the backend as it is now", bold=True))
    passed = gate(AFTER, out)
    say(click.style("\n3. Both started, and asked the same", bold=True))
    before, now = watched(BEFORE), watched(AFTER)
    show_symptoms(before, now)
    say(click.style(f"\n4. Their model cuts its answers at 90 %: {MANY} once, {FEW} at each attempt", bold=True))
    show_answers(before, now)
    (out / "services.json").write_text(json.dumps({BEFORE: plain(before), AFTER: plain(now)}, indent=1), "utf-8")
    say(f"\nWritten: {shown(out)}/{BEFORE}.md and .json, {AFTER}.md and .json, services.json")
    say(f"Next:    guardrails preflight {shown(HERE / BEFORE)}    (why, fix and proof of each)")
    say("         guardrails preflight YOUR-BACKEND            (no configuration needed)")
    if (stopped, passed) != (1, 0):
        sys.exit(f"the gate should have stopped the first (1) and passed the second (0): {stopped}, {passed}")


def gate(sample: str, out: Path) -> int:
    """Run the real command, print a line a finding, keep the reports. Returns the exit status."""
    say(click.style(f"$ guardrails preflight {shown(HERE / sample)}", dim=True))
    command = [sys.executable, "-m", "guardrails", "preflight", "--no-record", shown(HERE / sample)]
    for form, suffix in (("json", "json"), ("markdown", "md")):
        done = subprocess.run([*command, "--format", form], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            sys.exit(done.stderr or f"the gate ended with status {done.returncode}")
        (out / f"{sample}.{suffix}").write_text(done.stdout, encoding="utf-8")
    record = json.loads((out / f"{sample}.json").read_text(encoding="utf-8"))
    for finding in record["findings"]:
        place = finding["path"] if finding["line"] is None else f"{finding['path']}:{finding['line']}"
        colour = "red" if finding["severity"] == "error" else "yellow"
        say(f"{click.style(finding['severity'].ljust(7), fg=colour)} {finding['rule']:<13} {place}")
    summary = record["summary"]
    verdict = click.style(record["verdict"].upper(), fg="green" if record["verdict"] == "passed" else "red", bold=True)
    say(
        f"{verdict}: {summary['errors']} errors, {summary['warnings']} warnings, "
        f"{summary['checks_run']} checks over {summary['files']} files; exit status {record['exit_code']}"
    )
    return int(record["exit_code"])


def show_symptoms(before: Seen, now: Seen) -> None:
    """What each symptom looks like in either service."""
    say(click.style(f"{'':13} {'':45} {'before':<25} now", dim=True))
    for symptom, was, is_now in zip(SYMPTOMS, before.symptoms, now.symptoms, strict=True):
        say(f"{symptom.rule:13} {symptom.what:45} {click.style(was.ljust(25), fg='red')} {is_now}")


def show_answers(before: Seen, now: Seen) -> None:
    """What became of the answers that the model cut, and what that took."""
    say(click.style(f"{'':59} {'before':<25} now", dim=True))
    for what, count in COUNTS:
        say(f"{what:59} {click.style(count(before).ljust(25), fg='red')} {count(now)}")
    took = [sum(answer.requests for answer in seen.cut_once) for seen in (before, now)]
    say(f"The price: those {MANY} answers took {took[0]} requests to the model before, and take {took[1]} now.")


def plain(seen: Seen) -> dict[str, object]:
    """For JSON."""
    cut = {"cut_once": seen.cut_once, "cut_always": seen.cut_always}
    return {"symptoms": seen.symptoms, **{kind: [answer._asdict() for answer in cut[kind]] for kind in cut}}


def watched(sample: str) -> Seen:
    """Start a service with a model that fails as it is told, and use it."""
    bar = click.progressbar(
        length=len(SYMPTOMS) + MANY + FEW,
        label=f"{sample:20}",
        show_eta=False,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    )
    with (
        bar,
        tempfile.TemporaryDirectory() as folder,
        FaultServer(repeats) as model,
        served(sample, Path(folder), f"{model.url}/v1") as http,
    ):
        seen = Seen([], [], [])
        for symptom in SYMPTOMS:
            seen.symptoms.append(symptom.ask(http))
            bar.update(1)
        model.fault = first_attempt
        for number in range(MANY):
            seen.cut_once.append(asked(http, model, f"Where is parcel {number}?"))
            bar.update(1)
        model.fault = CUT
        for number in range(FEW):
            seen.cut_always.append(asked(http, model, f"What did order {number} cost?"))
            bar.update(1)
        return seen


def first_attempt(request: Asked) -> Fault | None:
    """As a proxy that ends connections after so many seconds: what is left of an answer comes through."""
    return None if asks_for_rest(request) else CUT


def asked(http: httpx.Client, model: FaultServer, question: str) -> Answer:
    """Ask one question in a conversation of its own."""
    before = len(model.asked)
    conversation_id = conversation(http)
    came, ended = "", "broke off"
    for event, data in chat(http, conversation_id, question):
        came += str(data.get("text", ""))
        ended = event
    messages = http.get(f"/conversations/{conversation_id}/messages").raise_for_status().json()
    kept = "".join(message["text"] for message in messages if message["role"] == "assistant")
    return Answer(question, repeats(model.asked[before]), came, ended, kept, len(model.asked) - before)


@contextmanager
def served(sample: str, folder: Path, model: str) -> Iterator[httpx.Client]:
    """The sample under uvicorn in a copy of its folder, on a free loopback port, for one block."""
    ignored = shutil.ignore_patterns("__pycache__", "*.db", ".*")
    home = shutil.copytree(HERE / sample, folder / sample, ignore=ignored)
    log = folder / f"{sample}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "0"],
            cwd=home,
            # A proxy that the environment names must not be asked for what is on this machine.
            env={
                **os.environ,
                "AGENT_API_KEY": "a-key-that-nobody-sends",
                "AGENT_LLM_URL": model,
                "NO_PROXY": "127.0.0.1",
            },
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=address(process, log), timeout=PATIENCE, trust_env=False) as http:
            yield http
    finally:
        process.terminate()
        process.wait(PATIENCE)


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server listens, once it does."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text(encoding="utf-8"))
        if found:
            return found[1]
        time.sleep(0.02)
    sys.exit(f"the service did not start:\n{log.read_text(encoding='utf-8')}")


# What a user of the service does


def conversation(http: httpx.Client) -> int:
    """A new conversation's id."""
    return int(http.post("/conversations", json={"user": "anna", "title": "Refund"}).raise_for_status().json()["id"])


def delete_without_key(http: httpx.Client) -> str:
    status = http.delete(f"/conversations/{conversation(http)}").status_code
    return f"{status} deleted by anybody" if status == 204 else f"{status} refused"


def export(http: httpx.Client) -> str:
    status = http.get("/conversations/export").status_code
    return f"{status} not reachable" if status == 422 else f"{status} exported"


def messages_of_nobody(http: httpx.Client) -> str:
    answer = http.get("/conversations/999999/messages")
    return f"{answer.status_code} {answer.text}" if answer.status_code == 200 else f"{answer.status_code} not found"


def search(http: httpx.Client) -> str:
    return str(http.get("/memory/search", params={"user": "anna", "q": "train"}).status_code)


def chat(http: httpx.Client, conversation_id: int, question: str) -> Iterator[tuple[str, dict[str, object]]]:
    """The events of an answer."""
    with http.stream("POST", "/chat", json={"conversation_id": conversation_id, "text": question}) as answer:
        event = ""
        for line in answer.raise_for_status().iter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield event, json.loads(line.removeprefix("data: "))


def prompt(http: httpx.Client) -> str:
    (_, started), *_ = chat(http, conversation(http), "Where is my refund?")
    return str(started["prompt"])


def listed(http: httpx.Client) -> str:
    answer = http.get("/conversations").json()
    return "whole conversations" if isinstance(answer, list) else "bare ids of version 1"


SYMPTOMS = (
    Symptom("GR-DECO-002", "delete a conversation without a key", delete_without_key),
    Symptom("GR-ROUTE-001", "read the messages of an unknown conversation", messages_of_nobody),
    Symptom("GR-ROUTE-002", "export the conversations", export),
    Symptom("GR-ROUTE-003", "search the memory", search),
    Symptom("GR-ROUTE-005", "list the conversations", listed),
    Symptom("GR-SHADOW-001", "which version of the prompt answers", prompt),
)


# What is counted of the answers.


def share(answers: Sequence[Answer], counts: Callable[[Answer], bool]) -> str:
    return f"{sum(map(counts, answers))} of {len(answers)}"


def is_whole(answer: Answer) -> bool:
    return answer.ended == "done" and answer.came == answer.meant


def is_told(answer: Answer) -> bool:
    return answer.ended == "error"


def half_is_kept(answer: Answer) -> bool:
    return answer.kept not in ("", answer.meant)


COUNTS: tuple[tuple[str, Callable[[Seen], str]], ...] = (
    ("answers whole", lambda seen: share(seen.cut_once, is_whole)),
    ("half an answer kept in the history as a whole one", lambda seen: share(seen.cut_once, half_is_kept)),
    ("cut at each attempt: the user is told", lambda seen: share(seen.cut_always, is_told)),
    ("cut at each attempt: kept in the history as whole", lambda seen: share(seen.cut_always, half_is_kept)),
)


def say(text: str) -> None:
    """Print; coloured on a terminal, and where FORCE_COLOR asks for it."""
    click.echo(text, color=True if os.environ.get("FORCE_COLOR") else None)


def shown(path: Path) -> str:
    """A path as the reader would type it."""
    return os.path.relpath(path)


if __name__ == "__main__":
    main()
