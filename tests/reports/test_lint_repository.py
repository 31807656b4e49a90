"""A report beside a real repository: what the history denies is found, what it bears out is SUPPORTED."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from guardrails.reports.lint import Outcome, lint
from tests.reports.repositories import commit, git, new
from tests.support import need

if TYPE_CHECKING:
    from pathlib import Path

DAY_1, DAY_3, DAY_5 = 1_762_000_000, 1_762_172_800, 1_762_345_600  # 2025-11-01, -03 and -05


class Shop(NamedTuple):
    """A repository of three commits."""

    path: Path
    first: str
    second: str
    third: str

    def lint(self, text: str) -> Outcome:
        """The outcome for a report in it, in which {1}, {2} and {3} stand for its commits."""
        for number, sha in enumerate(self[1:], start=1):
            text = text.replace(f"{{{number}}}", sha[:9])
        return lint(("# Status report\n\n" + text).encode(), self.path / "report.md", repository=self.path)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    need("git", "what a report says of its repository")
    path = new(tmp_path_factory.mktemp("lint") / "shop")
    first = commit(
        path, {"src/cart.py": "def add():\n    return 1\n", "README.md": "x\n"}, "feat: add the cart", at=DAY_1
    )
    cart = "def add():\n    return 2\n\n\ndef total():\n    return 2\n"
    second = commit(
        path, {"src/cart.py": cart, "src/tax.py": "a = 1\nb = 2\nc = 3\n"}, "fix: count the total once", at=DAY_3
    )
    third = commit(
        path,
        {"src/tax.py": "a = 1\nb = 3\n", "tests/test_cart.py": "def test_add(): ...\n"},
        "refactor: shrink the tax",
        at=DAY_5,
    )
    return Shop(path, first, second, third)


def rules(outcome: Outcome) -> list[str]:
    return [f"{found.rule} {found.line}" for found in outcome.findings]


def verdicts(outcome: Outcome) -> set[str]:
    return {claim.verdict for claim in outcome.claims}


TRUE = [
    "Fixed in `{2}`.",
    "| Commit | Date | Message |\n| --- | --- | --- |\n| `{2}` | 2025-11-03 | fix: count the total once |",
    "- `{3}` refactor: shrink the tax (2 files changed, 2 insertions(+), 2 deletions(-))",
    "**Commit:** `{2}`\n\n2 files changed, 8 insertions(+), 1 deletion(-)",
    "**Commit:** `{2}`\n\nFiles changed:\n\n- `src/cart.py` (+5/-1)\n- `src/tax.py` (+3)",
    "Commits: `{1}`, `{2}`, `{3}`\n\n6 files changed, 13 insertions(+), 3 deletions(-)",
    "Commits: `{1}`, `{2}`, `{3}`\n\n4 files changed, 13 insertions(+), 3 deletions(-)",
    "Range `{1}..{3}`: 3 files changed, +8/-1",
    "The period `{1}..{3}` has 2 commits.",
    "`{1}..{3}` holds 3 commits, the first included.",
    "`{1}..{3}`: over 1 commits. `{1}..{3}` should hold 9 commits.",
    "`{1}..{3}` holds another 9 commits of others.",
    "## Last 2 commits\n\n- `{3}` refactor: shrink the tax\n- `{2}` fix: count the total once",
    "Total commits: 3",
    "See `src/cart.py:6`, `src/cart.py#L1-L6` and `src/tax.py:3` in `{2}`.",
    "Added `total()` in `src/cart.py`. Added function `test_add`.",
    "Ran `tests/test_cart.py::test_add`.",
    "Changed `cart.py` and `src/tax.py`; `settings.py` of Django was not touched.",
    "The image is `sha256:deadbee1deadbee1`, its container `0123456789ab`.",
    "**Commit:** `{2}`\n\n| Area | Added |\n| --- | --- |\n| `src` | 70 |\n\n- test files changed: 9",
    "**Period:** 2025-01-01 to 2026-01-01 · `{2}`",
    "- `{2}` fix: count the total once\n\nOver the whole period: 40 files changed, 900 insertions(+)",
    "The script was run on PostgreSQL commit f4ad0021af, and the fix is in upstream commit `deadbee1`.",
    "Removed `src/old_gone.py`. Next: add `src/coupons.py`.",
]
FALSE = {
    "GR-REPORT-020": [
        "Fixed in commit `deadbee1`.",
        "Revert commit `deadbee1`.",
        "The bug came with Git commit `deadbee1`.",
        "| Commit | Message |\n| --- | --- |\n| `0123abc9` | fix: count the total once |",
        "## Commits\n\n- `0123abc9` refactor: shrink the tax",
        "```\n$ git log --oneline -2\n0123abc9 fix: nothing\n{2} fix: count the total once\n```",
    ],
    "GR-REPORT-021": [
        "| Commit | Message |\n| --- | --- |\n| `{3}` | fix: count the total once |",
        "- `{1}` (2025-11-03) feat: add the cart",
        "**Commit:** `{2}`\n\nFiles changed:\n\n- `src/cart.py`\n- `README.md`",
    ],
    "GR-REPORT-022": [
        "`{2}`: 2 files changed, 9 insertions(+)",
        "- `{3}` refactor: shrink the tax (3 files changed)",
        "**Commit:** `{2}`\n\nFiles changed:\n\n- `src/cart.py` (+6/-1)",
        "Commits: `{1}`, `{2}`, `{3}`\n\n7 files changed, 20 insertions(+), 3 deletions(-)",
        "| Commit | Files | + | - |\n| --- | --- | --- | --- |\n| `{2}` | 2 | 9 | 1 |",
    ],
    "GR-REPORT-023": [
        "Changed `src/coupons.py`.",
        "| File | Change |\n| --- | --- |\n| `coupons.py` | new |",
        "Ran `tests/test_tax.py::test_rate`.",
    ],
    "GR-REPORT-024": [
        "See `src/cart.py:99` in `{2}`.",
        "Fixed at `src/tax.py#L2-L40`.",
        "The loop in `src/cart.py` (lines 5-90) is gone.",
        "See `src/cart.py:6-2`.",
    ],
    "GR-REPORT-025": [
        "`refund()` in `src/cart.py` does it.",
        "Added function `refund()`.",
        "Ran `tests/test_cart.py::test_refund`.",
        "Implemented class `Coupon`.",
    ],
    "GR-REPORT-026": [
        "The period `{1}..{3}` has 7 commits.",
        "| Range | What |\n| --- | --- |\n| `{1}..{3}` | 5 commits |",
        "Total commits: 9",
        "There are 12 commits in the repository.",
        "## Last 2 commits\n\n- `{3}` refactor: shrink the tax\n- `{1}` feat: add the cart",
    ],
}


@pytest.mark.parametrize("text", TRUE)
def test_what_the_history_bears_out_is_never_accused(shop: Shop, text: str) -> None:
    outcome = shop.lint(text)
    assert (rules(outcome), outcome.unknown) == ([], ())
    assert verdicts(outcome) <= {"SUPPORTED"}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FALSE.items() for text in texts])
def test_what_the_history_denies_is_contradicted(shop: Shop, rule: str, text: str) -> None:
    outcome = shop.lint(text)
    assert [found.rule for found in outcome.findings if found.rule == rule][:1] == [rule]
    assert outcome.contradicted
    assert "CONTRADICTED" in verdicts(outcome)


def test_what_is_borne_out_is_listed_as_supported(shop: Shop) -> None:
    texts = {claim.text for claim in shop.lint("See `src/cart.py:6` in `{2}`.").claims if claim.verdict == "SUPPORTED"}
    assert texts == {"src/cart.py:6", f"commit {shop.second[:9]}"}


def test_a_combined_column_is_recognised(shop: Shop) -> None:
    (found,) = shop.lint("`{2}`: 2 files changed, 9 insertions(+)").findings
    assert found.why == "9 is the combined column: 8 insertions and 1 deletions"
    assert found.evidence == f"git show --numstat --format=%h {shop.second[:10]}"


def test_a_commit_that_was_rebased_is_named_as_it_is_now(shop: Shop, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(shop.path), "copy")
    copy = Shop(tmp_path / "copy", *shop[1:])
    git(copy.path, "commit", "--quiet", "--amend", "--no-edit", "--date=2025-11-06T00:00:00Z")
    now = git(copy.path, "rev-parse", "HEAD").decode()
    git(copy.path, "reflog", "expire", "--expire=all", "--all")
    git(copy.path, "remote", "remove", "origin")
    (still,) = copy.lint("Fixed in commit `{3}`.").findings
    assert (still.rule, still.fix) == ("GR-REPORT-020", f"write {now[:10]}")
    git(copy.path, "-c", "gc.pruneExpire=now", "prune", "--expire=now")
    (gone,) = copy.lint("- commit `{3}` refactor: shrink the tax").findings
    assert (gone.rule, gone.fix) == ("GR-REPORT-020", f"write {now[:10]}")


def test_a_shallow_clone_says_so_and_accuses_nobody(shop: Shop, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{shop.path}", "copy")
    outcome = Shop(tmp_path / "copy", *shop[1:]).lint("Fixed in commit `{1}`. 9 files changed.")
    assert rules(outcome) == []
    assert [text.split(":")[0] for text in outcome.unknown] == ["HISTORY TRUNCATED"]


def test_a_partial_clone_accuses_nobody_and_fetches_nothing(shop: Shop, tmp_path: Path) -> None:
    git(shop.path, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{shop.path}", "copy")
    before = git(tmp_path / "copy", "count-objects", "-v")
    copy = Shop(tmp_path / "copy", *shop[1:])
    text = "Fixed in commit `{2}`: 2 files changed, 8 insertions(+). See `src/cart.py:6`, commit `deadbee1`."
    outcome = copy.lint(text)
    assert rules(outcome) == []
    assert outcome.unknown != ()
    assert git(copy.path, "count-objects", "-v") == before


def test_a_detached_head_and_a_bare_clone_say_the_same(shop: Shop, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(shop.path), "bare.git")
    git(tmp_path, "clone", "--quiet", str(shop.path), "detached")
    git(tmp_path / "detached", "checkout", "--quiet", "--detach", "HEAD~1")
    text = "`{2}`: 2 files changed, 8 insertions(+), 1 deletion(-)\n\n`{2}`: 2 files changed, 9 insertions(+)"
    for name in ("bare.git", "detached"):
        assert rules(Shop(tmp_path / name, *shop[1:]).lint(text)) == ["GR-REPORT-022 5"]


def test_a_commit_of_a_submodule_is_no_made_up_one(shop: Shop, tmp_path: Path) -> None:
    outer = new(tmp_path / "outer")
    git(outer, "submodule", "--quiet", "add", str(shop.path), "libs/inner")
    sha = commit(outer, {"a.md": "x\n"}, "add inner")

    def said(text: str) -> Outcome:
        return lint(f"# Status report\n\n{text}\n".encode(), outer / "r.md", repository=outer)

    stands = said(f"`{sha[:9]}` brings commit `{shop.third[:9]}`.")
    named = said(f"Moves `inner` on from commit `{shop.second[:9]}`.")
    for outcome, name in ((stands, shop.third), (named, shop.second)):
        assert rules(outcome) == []
        assert outcome.unknown == (f"a submodule has a history of its own, which was not looked at: {name[:9]}",)
    assert rules(said(f"Fixed in commit `{shop.first[:9]}`.")) == ["GR-REPORT-020 3"]


def test_an_empty_repository_says_so(tmp_path: Path) -> None:
    need("git", "what a report says of its repository")
    outcome = lint(b"Fixed in commit `0123abc9`.", tmp_path / "r.md", repository=new(tmp_path / "empty"))
    assert rules(outcome) == []
    assert outcome.unknown == ("the repository has no commit yet: nothing was held against it",)


def test_a_folder_that_is_no_repository_says_so(tmp_path: Path) -> None:
    need("git", "what a report says of its repository")
    outcome = lint(b"Fixed in commit `0123abc9`.", tmp_path / "r.md", repository=tmp_path)
    assert rules(outcome) == []
    assert len(outcome.unknown) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Fixed in commit `--output=x1`.",
        "`src/cart.py\x07:9` `../../../etc/passwd.py:1` `-x.py:1`",
        "Added function `--help()`. `_()` in `src/cart.py`.",
        "Range `0000000..ffffff1`",
        "`" + "a1" * 20 + "` commit " + "0" * 40,
    ],
)
def test_names_never_reach_git_as_options(shop: Shop, text: str) -> None:
    before = sorted(path.name for path in shop.path.iterdir())
    outcome = shop.lint(text)
    assert outcome.unknown == ()
    assert sorted(path.name for path in shop.path.iterdir()) == before


def test_our_own_reports_are_never_accused(shop: Shop) -> None:
    from guardrails.reports.render import render
    from tests.reports.repositories import facts

    for language in ("en", "uk"):
        outcome = lint(
            render(facts(shop.path), "markdown", language).encode(), shop.path / "s.md", repository=shop.path
        )
        assert (rules(outcome), outcome.unknown) == ([], ())
        assert "SUPPORTED" in verdicts(outcome)


def test_a_history_of_merges_and_renames_is_counted_as_git_counts_it(tmp_path: Path) -> None:
    need("git", "what a report says of its repository")
    path = new(tmp_path / "merged")
    commit(path, {"a.txt": "1\n2\n3\n4\n5\n6\n", "data.bin": b"\0\1"}, "one", at=DAY_1)
    git(path, "switch", "--quiet", "-c", "side")
    moved = commit(path, {"a.txt": None, "b.txt": "1\n2\n3\n4\n5\nsix\n", "data.bin": b"\0\2"}, "move a to b", at=DAY_3)
    git(path, "switch", "--quiet", "main")
    commit(path, {"c.txt": "c\n"}, "add c", at=DAY_3 + 60)
    git(path, "merge", "--quiet", "--no-ff", "-m", "merge side", "side")
    merged = git(path, "rev-parse", "HEAD").decode()
    text = f"- `{moved[:9]}` 2 files changed, 1 insertion(+), 1 deletion(-)\n- `{merged[:9]}` 2 files changed, +1/-1\n"
    assert rules(lint(text.encode(), path / "r.md", repository=path)) == []
    wrong = text.replace("2 files", "3 files")
    assert rules(lint(wrong.encode(), path / "r.md", repository=path)) == ["GR-REPORT-022 1", "GR-REPORT-022 2"]
