"""`make demo`: the gate stops a broken agent backend and passes a sound one, and both are then started.

What the gate said of the code is shown happening: each service answers the same requests. Everything
runs on the loopback address and ends by itself; what is written is under build/demo/.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
BEFORE, AFTER = "agent_backend_before", "agent_backend"
PATIENCE = 30.0  # seconds for a start on a busy machine; it takes about one


class Symptom(NamedTuple):
    """What a user does, and the rule whose defect decides how it ends."""

    rule: str
    what: str
    ask: Callable[[httpx.Client], str]


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
    compare()
    say(f"\nWritten: {shown(out)}/{BEFORE}.md and .json, {AFTER}.md and .json")
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


def compare() -> None:
    """Print what each symptom looks like in either service."""
    with tempfile.TemporaryDirectory() as folder:
        answers = {}
        for sample in (BEFORE, AFTER):
            with served(sample, Path(folder)) as http:
                answers[sample] = [symptom.ask(http) for symptom in SYMPTOMS]
    say(click.style(f"{'':13} {'':45} {'before':<25} now", dim=True))
    for symptom, before, now in zip(SYMPTOMS, answers[BEFORE], answers[AFTER], strict=True):
        say(f"{symptom.rule:13} {symptom.what:45} {click.style(before.ljust(25), fg='red')} {now}")


@contextmanager
def served(sample: str, folder: Path) -> Iterator[httpx.Client]:
    """The sample under uvicorn in a copy of its folder, on a free loopback port, for one block."""
    ignored = shutil.ignore_patterns("__pycache__", "*.db", ".*")
    home = shutil.copytree(HERE / sample, folder / sample, ignore=ignored)
    log = folder / f"{sample}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", "0"],
            cwd=home,
            env={**os.environ, "AGENT_API_KEY": "a-key-that-nobody-sends"},
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


def prompt(http: httpx.Client) -> str:
    question = {"conversation_id": conversation(http), "text": "Where is my refund?"}
    with http.stream("POST", "/chat", json=question) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                return str(json.loads(line.removeprefix("data: ")).get("prompt"))
    return "no answer"


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


def say(text: str) -> None:
    """Print; coloured on a terminal, and where FORCE_COLOR asks for it."""
    click.echo(text, color=True if os.environ.get("FORCE_COLOR") else None)


def shown(path: Path) -> str:
    """A path as the reader would type it."""
    return os.path.relpath(path)


if __name__ == "__main__":
    main()
