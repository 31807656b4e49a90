"""A session report says what was recorded and what it stands on, and no text in it changes its shape."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.evidence import EvidenceRecord, Rung
from guardrails.reports.ledger import write_record
from guardrails.reports.measures import measure
from guardrails.reports.render import FORMS, LANGUAGES, render
from guardrails.reports.repository import open_repository
from guardrails.reports.session_facts import change
from guardrails.reports.session_log import SessionLog
from guardrails.reports.session_report import session_report
from guardrails.reports.session_store import FOLDER
from guardrails.reports.tree import digest, working_tree
from tests.reports.repositories import DAY, NOW, commit, git, new
from tests.reports.test_injection import PAGES, Shape, payloads
from tests.support import ROOT
from tests.test_mdtext import HOSTILE, skeleton, tokens, without_split_spans
from tests.test_redact import FORMATS, leaks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: reports are not tested")

ADA, AGENT = {"kind": "human", "name": "Ada"}, {"kind": "agent", "name": "reviewer"}


class Clock:
    """Stands still until somebody sets it."""

    def __init__(self) -> None:
        self.now = NOW - DAY

    def __call__(self) -> float:
        return self.now


def record(repo: Path, **said: Any) -> str:
    """A record of evidence of the working tree as it is; its id."""
    tree = digest(working_tree(repo))
    fields: dict[str, Any] = {
        "id": "", "check": "unit", "kind": "command", "started": "2026-05-27T00:00:00.000Z", "duration": 1.0,
        "commit": None, "tree": tree, "dirty": None, "outcome": "passed", "rung": Rung.TESTED, "summary": "5 passed",
    }  # fmt: skip
    return write_record(repo, EvidenceRecord(**(fields | said))).id


def whole_session(folder: Path, text: Any = lambda text: text) -> SessionLog:
    """A session in which every part of a page is there; `text` makes each text that a user writes."""
    repo = new(folder)
    (repo / ".git" / "info" / "exclude").write_text(".guardrails/\n")
    commit(repo, {"app/x.py": "def f():\n    return wait()\n"}, "first", at=NOW - 2 * DAY)
    clock = Clock()

    def log() -> SessionLog:
        clock.now += 60
        return SessionLog(open_repository(repo), clock)

    by = {"kind": "human", "name": text("Ada")}
    log().start(text("cut streams"), by, goal=text("none is lost"), approach=text("bound every wait"))
    for kind in ("task", "task", "task", "criterion", "debt", "next"):
        log().add_item(kind, text(f"a {kind}"), by, priority="P1", estimate=30, owner=text("Ada"))
    fixed = commit(
        repo, {"app/x.py": "def f():\n    return wait(timeout=30)\n"}, text("fix: bound it"), at=NOW - DAY + 900
    )
    shown = record(repo)
    log().change_item("tick", "T1", by, evidence=[shown], commits=[fixed], cause=text("no bound"), text=text("so"))
    log().change_item("tick", "D1", {"kind": "agent", "name": text("reviewer")}, evidence=[text("no such")])
    log().change_item("block", "T2", by, text=text("no access"))
    log().change_item("defer", "T3", by, text=text("later"))
    log().record("note", by, text=text("it is the proxy"))
    log().record("decide", by, text=text("retry once"), why=text("twice is dear"))
    for side, value in (("before", 2.4), ("after", 1.2)):
        said = {"name": text("p95"), "unit": text("s"), "better": "lower", "side": side, "value": value}
        log().record("metric", by, None, **said)
    size = len((repo / "app/x.py").read_bytes())
    sha256 = hashlib.sha256((repo / "app/x.py").read_bytes()).hexdigest()
    log().record("artifact", by, path="app/x.py", sha256=sha256, size=size)
    log().pause(by, reason=text("lunch"))
    return log()


def facts_of(log: SessionLog, name: str | None = None) -> dict[str, Any]:
    kept = log.find(log.read(until=NOW), name)
    return session_report(log.repository, kept, project=log.top, now=NOW, version="1.0")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SessionLog:
    return whole_session(tmp_path_factory.mktemp("session") / "repo")


@pytest.fixture(scope="module")
def found(log: SessionLog) -> dict[str, Any]:
    return facts_of(log)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = new(tmp_path / "repo")
    commit(folder, {"a.py": "1\n"}, "first", at=NOW - 2 * DAY)
    return folder


def log_of(repo: Path, clock: Clock = Clock()) -> SessionLog:  # noqa: B008 - one clock that goes on, meant
    return SessionLog(open_repository(repo), clock)


# --- what stands on the page ---


def test_the_page_says_what_was_recorded(found: dict[str, Any]) -> None:
    page = render(found, "markdown")
    fixed = found["commits"][0]["hash"][:12]
    for said in (
        "# Session: cut streams",
        "**Status:** paused (lunch) · **Started:** 2026-05-27 20:27 UTC · **Paused:**",
        "| Progress | 1 of 2 |",
        "| Blocker | T2: no access |",
        "██████████░░░░░░░░░░ 50 %",
        "- [x] **T1** a task · ticked by Ada, 2026-05-27",
        "**supported** (E3): unit: 5 passed",
        "- [ ] **T2** a task · **blocked**: no access",
        "- **T3** a task · later",
        "- **Root cause:** no bound",
        f"- **commit:** `{fixed}` fix: bound it\n  - `app/x.py` +1 −1",
        "-    return wait()\n+    return wait(timeout=30)\n```",
        "- [ ] **C1** a criterion",
        "| p95 | 2\\.4 s | 1\\.2 s | −50 % (better) | E0 |".replace("\\", ""),
        "- net change (both ends compared): +1 −1 in 1 files",
        "Ada: retry once (because: twice is dear)",
        "Ada: it is the proxy",
        "- [x] **D1** a debt",
        "| **T2** a task | P1 | 30 min | Ada |",
        "| `app/x.py` |",
        "| the same |",
        "| agent:reviewer | 1 | 1 |",
        "| T1 is done | **supported** | E3 | unit: 5 passed |",
        "| D1 is done | **no evidence** | E0 | no record no such here |",
        "- continue: `guardrails session resume 'cut streams'`",
    ):
        assert said in page.replace("2\\.4", "2.4").replace("1\\.2", "1.2"), said


def test_the_labels_are_in_ukrainian_too(found: dict[str, Any]) -> None:
    page = render(found, "markdown", "uk")
    assert "- продовжити: `guardrails session resume 'cut streams'`" in page
    assert "**Статус:** призупинено (lunch)" in page
    assert "| −50 % (краще) |".replace("| −", "−") in page


def test_times_are_the_stretches_between_the_events(found: dict[str, Any], log: SessionLog) -> None:
    events = log.read()[0].events
    assert (events[1]["type"], events[-1]["type"]) == ("start", "pause")
    # A minute for each change, and all of the time since the pause.
    assert (found["session"]["active"], found["session"]["wall"]) == (16 * 60, DAY - 60)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_page_is_made_of_the_json_twin_alone(found: dict[str, Any], form: str, language: str) -> None:
    twin = json.loads(render(found, "json"))
    assert render(twin, form, language) == render(found, form, language)


def test_an_item_is_ticked_or_open_and_never_both(found: dict[str, Any]) -> None:
    page = render(found, "markdown")
    refs = [item["ref"] for rows in found["items"].values() for item in rows]
    for ref in refs:
        states = {line.split("**")[0] for line in page.splitlines() if line.startswith("- [") and f"**{ref}**" in line}
        assert len(states) <= 1, ref
    ahead = {row["ref"] for row in found["next"]}
    done = {item["ref"] for rows in found["items"].values() for item in rows if item["state"] == "done"}
    assert ahead & done == set()


# --- what a tick stands on ---


def ticked(repo: Path, *names: str) -> dict[str, Any]:
    log = log_of(repo)
    log.start("x", ADA)
    log.add_item("task", "one", ADA)
    log.change_item("tick", "T1", ADA, evidence=list(names))
    return facts_of(log_of(repo))["claims"][0]


def test_a_tick_without_evidence_is_asserted(repo: Path) -> None:
    found = ticked(repo)
    assert (found["verdict"], found["rung"], found["reason"]) == ("UNSUPPORTED", "E0", "tick_asserted")


def test_a_tick_on_what_is_not_there_is_asserted(repo: Path) -> None:
    found = ticked(repo, "01NOPE")
    assert (found["verdict"], found["rung"], found["reason"]) == ("UNSUPPORTED", "E0", "tick_no_record")


def test_a_tick_on_a_run_of_this_code_is_supported_with_its_rung(repo: Path) -> None:
    found = ticked(repo, record(repo))
    assert (found["verdict"], found["rung"]) == ("SUPPORTED", "E3")


def test_a_tick_on_a_run_of_other_code_is_stale(repo: Path) -> None:
    shown = record(repo)
    commit(repo, {"a.py": "2\n"}, "more", at=NOW - DAY)
    assert ticked(repo, shown)["verdict"] == "STALE"


def test_a_tick_on_a_run_that_failed_is_contradicted(repo: Path) -> None:
    assert ticked(repo, record(repo, outcome="failed", summary="1 failed"))["verdict"] == "CONTRADICTED"


def test_a_tick_on_an_older_pass_of_a_check_that_fails_now_is_contradicted(repo: Path) -> None:
    passed = record(repo)
    record(repo, outcome="failed", summary="1 failed", started="2026-05-27T01:00:00.000Z")
    assert ticked(repo, passed)["verdict"] == "CONTRADICTED"


def test_of_two_records_the_worse_counts(repo: Path) -> None:
    found = ticked(repo, record(repo), "01NOPE")
    assert (found["verdict"], found["rung"]) == ("UNSUPPORTED", "E0")


@pytest.mark.parametrize(
    ("evidence", "verdict", "reason"),
    [
        (True, "SUPPORTED", "complete_supported"),
        (False, "UNSUPPORTED", "complete_weak"),
        (None, "UNSUPPORTED", "complete_empty"),
    ],
)
def test_a_session_that_ended_claims_to_be_complete_on_the_evidence_of_its_ticks(
    repo: Path, evidence: bool | None, verdict: str, reason: str
) -> None:
    log = log_of(repo)
    log.start("x", ADA)
    if evidence is not None:
        log.add_item("task", "one", ADA)
        log.change_item("tick", "T1", ADA, evidence=[record(repo)] if evidence else [])
    log.end(ADA)
    found = facts_of(log_of(repo))["claims"][0]
    assert (found["claim"], found["verdict"], found["reason"]) == ("complete", verdict, reason)


def test_a_task_that_a_merge_brought_after_the_end_contradicts_that_it_is_complete(repo: Path) -> None:
    log = log_of(repo)
    log.start("x", ADA)
    commit(repo, {}, "begin", at=NOW - DAY)
    git(repo, "branch", "other")
    log_of(repo).end(ADA)
    commit(repo, {}, "end", at=NOW - DAY)
    git(repo, "checkout", "-q", "other")
    log_of(repo).add_item("task", "forgotten", ADA)
    commit(repo, {}, "more", at=NOW - DAY)
    git(repo, "merge", "-q", "main", "-m", "merge")
    found = facts_of(log_of(repo))["claims"][0]
    assert (found["claim"], found["verdict"], found["said"]["refs"]) == ("complete", "CONTRADICTED", "T1")


def test_a_figure_is_measured_only_with_equal_records_on_both_sides(repo: Path) -> None:
    log = log_of(repo)
    log.start("x", ADA)

    def after(value: float, method: str, stated: float) -> str:
        sides = [record(repo, measure=measure(v, 5, None, m)) for v, m in ((8.0, "a"), (value, method))]
        log.record("metric", ADA, None, name="n", side="before", value=8.0, evidence=sides[0])
        log.record("metric", ADA, None, name="n", side="after", value=stated, evidence=sides[1])
        return str(facts_of(log_of(repo))["metrics"][0]["rung"])

    assert after(4.0, "a", 4.0) == "E5"
    assert after(4.0, "b", 4.0) == "E0"
    assert after(4.0, "a", 1.0) == "E0"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (10, 5, "−50 %"),
        (0, 5, None),
        (None, 5, None),
        (5, None, None),
        (-4, -2, "+50 %"),
        (3, 3, "±0 %"),
        (3, 4, "+33.3 %"),
    ],
)
def test_a_change_is_given_where_there_is_one(before: float | None, after: float | None, said: str | None) -> None:
    assert change(before, after) == said


# --- history ---


def test_commits_are_those_between_start_and_end(repo: Path) -> None:
    (repo / ".git" / "info" / "exclude").write_text(".guardrails/\n")
    log_of(repo).start("x", ADA)
    commit(repo, {"b.py": "1\n2\n"}, "inside", at=NOW - DAY)
    commit(repo, {"b.py": "1\n"}, "undone", at=NOW - DAY)
    log_of(repo).end(ADA)
    commit(repo, {"c.py": "1\n"}, "outside", at=NOW - DAY)
    found = facts_of(log_of(repo))
    assert [one["subject"] for one in found["commits"]] == ["undone", "inside"]
    assert (found["totals"]["net"]["added"], found["totals"]["churn"]["added"]) == (1, 2)


def test_a_commit_that_is_gone_is_said_and_hides_no_page(repo: Path) -> None:
    log_of(repo).start("x", ADA)
    (file,) = (repo / FOLDER).rglob("*.jsonl")
    tip = git(repo, "rev-parse", "HEAD").decode()
    file.write_text(file.read_text().replace(tip, "0" * 40))
    found = facts_of(log_of(repo))
    assert [limit["said"] for limit in found["limits"] if limit["reason"] == "session_commit_gone"] == [
        {"commit": "0" * 12}
    ]
    assert "COMMIT GONE: 000000000000" in render(found, "markdown")


@pytest.mark.parametrize("commits", [["--help"], ["0" * 40], ["HEAD:a.py"], ["x y"], ["-n1"]])
def test_a_commit_that_is_none_shows_no_difference(repo: Path, commits: list[str]) -> None:
    log_of(repo).start("x", ADA)
    log_of(repo).add_item("task", "one", ADA)
    log_of(repo).change_item("tick", "T1", ADA, commits=commits)
    (changed,) = facts_of(log_of(repo))["items"]["task"][0]["changes"]
    assert (changed["subject"], changed["files"], changed["excerpt"]) == (None, [], "")


def test_a_large_difference_is_cut_and_the_rest_counted(repo: Path) -> None:
    log_of(repo).start("x", ADA)
    log_of(repo).add_item("task", "one", ADA)
    many = commit(repo, {f"f{n}.py": "x = 1\n" * 50 for n in range(20)}, "many", at=NOW - DAY)
    log_of(repo).change_item("tick", "T1", ADA, commits=[many])
    (changed,) = facts_of(log_of(repo))["items"]["task"][0]["changes"]
    assert (len(changed["files"]), changed["files_omitted"]) == (8, 12)
    assert (changed["excerpt"].count("\n"), changed["excerpt_omitted"] > 900) == (23, True)


def test_an_artifact_is_the_same_changed_missing_or_outside(repo: Path) -> None:
    log = log_of(repo)
    log.start("x", ADA)
    sha256 = hashlib.sha256(b"1\n").hexdigest()
    for path in ("a.py", "gone", "../outside", "/etc/hostname"):
        log.record("artifact", ADA, path=path, sha256=sha256, size=2)
    (repo.parent / "outside").write_text("1\n")
    states = {row["path"]: row["state"] for row in facts_of(log_of(repo))["artifacts"]}
    assert states == {"a.py": "same", "gone": "missing", "../outside": "missing", "/etc/hostname": "missing"}
    (repo / "a.py").write_text("2\n")
    assert facts_of(log_of(repo))["artifacts"][2]["state"] == "changed"


def test_damage_is_said_at_the_top_and_in_the_limits(repo: Path) -> None:
    log_of(repo).start("x", ADA)
    (file,) = (repo / FOLDER).rglob("*.jsonl")
    file.write_bytes(file.read_bytes() + b'{"v":9}\n{"v":1,"id":"cut o')
    page = render(facts_of(log_of(repo)), "markdown")
    assert page.count("SESSION INCOMPLETE: parts of x were written by a newer guardrails (version 9)") == 2
    assert page.count(f"SESSION DAMAGED: 1 lines of x could not be read: {file.name}:4") == 2


# --- safe texts ---


FOREIGN = {
    *("name", "goal", "approach", "reason", "branch", "text", "owner", "cause", "by", "path", "subject", "author"),
    *("quoted", "excerpt", "source", "argv", "id", "why", "before", "after", "what", "refs", "places", "session"),
}


def filled(texts: Iterator[str], value: Any, key: str = "") -> Any:
    if key == "evidence" and isinstance(value, list) and value and isinstance(value[0], dict):
        return [{**row, "argv": [next(texts)] if row["argv"] else [], "source": next(texts)} for row in value]
    if isinstance(value, dict):
        # Beside `said` a reason is the key of a label.
        kept = {"reason", "id"} & value.keys() if "said" in value else set()
        return {name: item if name in kept else filled(texts, item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(texts, item, key) for item in value]
    return next(texts) if key in FOREIGN and isinstance(value, str) else value


def shape(page: str) -> list[tuple[str, str, int, object]]:
    return without_split_spans(skeleton(page))


def test_two_thousand_payloads_leave_the_shape_of_both_documents(found: dict[str, Any]) -> None:
    benign = filled(itertools.repeat("x"), found)
    markdown, page = shape(render(benign, "markdown")), Shape(render(benign, "html")).tags
    tried = list(itertools.islice(payloads(), 2000))
    used, changed = 0, []
    texts = itertools.cycle(tried)

    def counted() -> Iterator[str]:
        nonlocal used
        for text in texts:
            used += 1
            yield text

    source = counted()
    while used < 2 * len(tried):
        first = used
        hostile = filled(source, found)
        if shape(render(hostile, "markdown")) != markdown:
            changed.append(("markdown", first))
        if Shape(render(hostile, "html")).tags != page:
            changed.append(("html", first))
    assert changed == []


def test_every_trick_through_the_log_and_git_leaves_the_shape(tmp_path: Path) -> None:
    """As a user could write them: into every text of a session, and into the message of its commit."""
    shapes = []
    tricks = [trick for trick in (*PAGES, *HOSTILE) if trick.strip().strip("\0")]
    for place, texts in enumerate((["x"], tricks)):
        source = itertools.cycle(texts)
        used: dict[str, str] = {}

        def text(said: str, source: Iterator[str] = source, used: dict[str, str] = used) -> str:
            # A figure and an actor are known by their name: one text each.
            return (
                used.setdefault(said, f"z{next(source)}".replace("\0", ""))
                if said in {"p95", "Ada"}
                else (f"z{next(source)}".replace("\0", ""))
            )

        page = facts_of(whole_session(tmp_path / str(place) / "repo", text))
        page["actors"] = []  # in the order of their names
        for item in page["items"]["task"]:
            for one in item["changes"]:
                one["excerpt"] = ""
        shapes.append((shape(render(page, "markdown")), Shape(render(page, "html")).tags))
    assert shapes[0] == shapes[1]


def test_the_judge_sees_a_text_that_is_not_escaped(found: dict[str, Any]) -> None:
    page = render(found, "markdown")
    assert shape(page.replace("it is the proxy", "it is *the* proxy")) != shape(page)
    assert shape(page.replace("no bound", "<b>no bound")) != shape(page)


def test_a_difference_cannot_end_its_block(found: dict[str, Any]) -> None:
    hostile = json.loads(render(found, "json"))
    hostile["items"]["task"][0]["changes"][0]["excerpt"] = "```\n# heading\n````\n<script>\n~~~\n\x1b[2J"
    fences = [token.content for token in tokens(render(hostile, "markdown")) if token.type == "fence"]
    assert fences == ["```\n# heading\n````\n<script>\n~~~\n\\x1b[2J\n"]
    assert shape(render(hostile, "markdown")) == shape(render(found, "markdown"))


def test_secrets_that_others_committed_do_not_reach_a_page(repo: Path) -> None:
    log_of(repo).start("x", ADA)
    (file,) = (repo / FOLDER).rglob("*.jsonl")
    chance = random.Random(6)
    secrets = [make(chance) for make in FORMATS.values()]
    last = json.loads(file.read_text().splitlines()[-1])
    with file.open("a") as stream:
        for number, secret in enumerate(secrets):
            name = last["id"][:-2] + f"{number + 10}"
            stream.write(json.dumps({**last, "id": name, "type": "note", "text": f"see {secret} there"}) + "\n")
    found = facts_of(log_of(repo))
    assert len(found["notes"]) == len(secrets)
    pages = "".join(render(found, form) for form in FORMS)
    assert [secret for secret in secrets if leaks(secret, pages)] == []


# --- the same bytes ---


def test_shuffled_facts_are_the_same_bytes(found: dict[str, Any]) -> None:
    chance = random.Random(3)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            chance.shuffle(items)
            return {key: shuffled(item) for key, item in items}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    for form in FORMS:
        assert len({render(shuffled(found), form) for _ in range(34)}) == 1


@pytest.mark.slow  # eighteen interpreters
def test_locales_zones_and_hash_seeds_change_no_byte(log: SessionLog) -> None:
    digests = set()
    for seed, (zone, locale) in enumerate(
        itertools.product(["UTC", "Asia/Tokyo", "America/New_York"], ["C", "C.UTF-8", "uk_UA.UTF-8"])
    ):
        for name in ("session", "progress"):
            env = {**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": str(seed), "PYTHONUTF8": "1"}
            env |= {"SOURCE_DATE_EPOCH": str(int(NOW)), "PYTHONPATH": str(ROOT / "src")}
            done = subprocess.run(
                [sys.executable, "-m", "guardrails", "report", name, "--no-cache"],
                cwd=log.top, env=env, capture_output=True, check=True,
            )  # fmt: skip
            digests.add((name, hashlib.sha256(done.stdout).hexdigest()))
    assert len(digests) == 2
