"""Foreign text stays text: no commit, author, branch, path, tag, finding or test name changes a document's shape."""

from __future__ import annotations

import itertools
import random
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from guardrails.reports.render import LANGUAGES, render
from tests.reports.repositories import NOW, commit, data, facts, git, imported, new
from tests.test_mdtext import HOSTILE, rendered, skeleton, without_split_spans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: reports are not tested")

PAYLOADS = 2000
# Beyond what tests/test_mdtext.py has: what breaks out of HTML, SVG, an attribute, a style, a template, a terminal.
PAGES = [
    "</title><script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", '"><svg onload=alert(1)>',
    "</code></td></tr></table><h1>x</h1>", "<a href=javascript:alert(1)>", "' onload='x", "{{ 7 * 7 }}", "{% raw %}",
    "{# x #}", "{n}", "{0}", "{name.__class__}", "%s%n", "\x1b]8;;http://x\x07y", "\x1b[2J", "\u202egnp.exe",
    "\u2066x\u2069", "\u200b\u200d\ufeff", "a\r\nb", "\x00", "\x85", "\u2028", "closes #1", "@org/team",
    "ghp_" + "a" * 36, "- [x] done", "> [!WARNING]", "](x)",
    "`" * 40, "|" * 40, "<" * 40, "&#x3c;script&#x3e;", "\\" * 9, "$$x$$", ":tada:", "<!--", "-->", "]]>", "<?xml ?>",
]  # fmt: skip


def payloads() -> Iterator[str]:
    """2,000: each known trick alone, then pairs and triples of them in an order that is always the same."""
    parts = [*PAGES, *HOSTILE]
    yield from parts
    chance = random.Random(5)
    for number in itertools.count():
        yield "".join(chance.choice(parts) + chance.choice(["", " ", "\n", "x"]) for _ in range(2 + number % 2))


def filled(texts: Iterator[str] | str, found: dict[str, Any]) -> dict[str, Any]:
    """The same facts with a text at every place that somebody else may choose; one for all, or the next of many."""
    source = itertools.repeat(texts) if isinstance(texts, str) else texts

    def change(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: change(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [change(item, key) for item in value]
        return next(source) if key in FOREIGN and value is not None else value

    changed: dict[str, Any] = change(found)
    return changed


FOREIGN = {
    *("name", "branch", "asked_since", "subject", "author", "area", "argv", "source", "revision", "place", "message"),
    *("failing", "file", "why", "files", "rule", "text", "check", "what", "command"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Facts in which every part of a page is there."""
    folder = new(tmp_path_factory.mktemp("injection") / "repo")
    commit(folder, {"a/x.py": "1\n"}, "feat: begin", at=NOW - 9 * 86_400)
    for number in range(20):
        commit(
            folder, {"a/x.py": f"{number}\n", f"b{number}/y.py": "1\n"}, "fix: more", at=NOW - (8 - number / 3) * 86_400
        )
    git(folder, "tag", "v1")
    (folder / "junit.xml").write_text(
        '<testsuite><testcase classname="t" name="n"><failure/></testcase></testsuite>', encoding="utf-8"
    )
    whole = facts(folder, "HEAD~20")
    gate = whole["claims"][0]
    gate |= {"reason": "gate_failed", "said": {"commit": "x", "errors": 1, "warnings": 0}}
    gate["details"] = {
        "findings": [{"rule": "GR", "severity": "error", "place": "a:1", "message": "m"}],
        "findings_omitted": 1,
    }
    whole["claims"][2] |= {"reason": "unreadable", "said": {"file": "f", "why": "w"}}
    whole["limits"].append({"reason": "parted", "hides": True, "said": {"revision": "r", "base": "b"}})
    whole["evidence"].append({"id": "G", "argv": ["x"], "rung": "E2", "source": "s"})
    said = {"check": "c", "what": "w", "needed": "E3"}
    whole["statements"] = [{"text": "t", "verdict": "UNSUPPORTED", "rung": "E2", "reason": "st_below", "said": said}]
    record = {"id": "0", "check": "c", "kind": "http", "outcome": "failed", "rung": "E2", "commit": "", "dirty": True}
    whole["records"] = [{**record, "command": "x"}]
    whole["damaged"] = [{"file": "f", "why": "w"}]
    return whole


class Shape(HTMLParser):
    """The tags of a page with the names of their attributes, and what is neither text nor tag."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_pi(self, data: str) -> None:
        self.tags.append(("instruction", data))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_two_thousand_payloads_leave_the_shape_of_both_documents(found: dict[str, Any]) -> None:
    benign = filled("x", found)
    markdown = without_split_spans(skeleton(render(benign, "markdown")))
    page = Shape(render(benign, "html")).tags
    tried = list(itertools.islice(payloads(), PAYLOADS))
    used = 0

    def endless() -> Iterator[str]:
        nonlocal used
        for text in itertools.cycle(tried):
            used += 1
            yield text

    texts, changed = endless(), []
    # Four times over: the number of places in a page does not divide the number of payloads, so each meets others.
    while used < 4 * PAYLOADS:
        first = used
        hostile = filled(texts, found)
        if without_split_spans(skeleton(render(hostile, "markdown"))) != markdown:
            changed.append(("markdown", first % PAYLOADS, used % PAYLOADS))
        if Shape(render(hostile, "html")).tags != page:
            changed.append(("html", first % PAYLOADS, used % PAYLOADS))
    assert changed == []


def test_the_judge_sees_what_is_not_escaped(found: dict[str, Any]) -> None:
    page = render(filled("x", found), "markdown")
    for raw in ("- x", "| x"):
        assert raw in page
        assert skeleton(page.replace(raw, f"{raw} <b>", 1)) != skeleton(page)
        assert skeleton(page.replace(raw, f"{raw} *y*", 1)) != skeleton(page)
    assert "<td>x" in render(filled("x", found), "html")
    html = render(filled("x", found), "html")
    assert Shape(html.replace("<td>x", "<td><b>x", 1)).tags != Shape(html).tags


def test_hostile_text_can_still_be_read(found: dict[str, Any]) -> None:
    hostile = "<b>|a* `c` {n} [x](y) @me"
    page = filled(hostile, found)
    assert any(hostile in text for text in Shape(render(page, "html")).texts)
    assert any(hostile.split("`", maxsplit=1)[0] in text for text in rendered(render(page, "markdown")))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_invisible_character_reaches_a_page(found: dict[str, Any], language: str) -> None:
    hostile = filled("\u202e\u200b\x1b\x07\u2066\xad\ufeffx", found)
    for form in ("markdown", "html"):
        page = render(hostile, form, language)
        odd = {char for char in page if not char.isprintable() and char not in "\n\xa0"}
        assert odd == set()


def test_a_real_history_of_every_payload(tmp_path: Path) -> None:
    """Through git itself, which takes any bytes but NUL for messages and nearly any for names."""
    tricks = [trick.replace("\0", "") for trick in (*PAGES, *HOSTILE)]

    def stream(texts: list[str]) -> Iterator[bytes]:
        for number, text in enumerate(texts):
            raw = text.encode("utf-8", "replace")
            name = bytes(byte for byte in raw if byte not in b"<>\n\0")
            path = "".join(f"\\{byte:03o}" for byte in raw if byte not in b"/\0")
            # The letters before keep what git cuts off at the ends from leaving nothing.
            yield b"commit refs/heads/main\ncommitter z%s <a@b.c> %d +0000\n" % (name, NOW - 999 + number)
            yield data(b"fix: z" + raw)
            yield f'M 100644 inline "d{path}/f"\n'.encode() + data(b"1\n")

    shapes = []
    for place, texts in enumerate((["x"] * len(tricks), tricks)):
        page = facts(imported(tmp_path / f"{place}" / "repo", stream(texts)))
        page["commits"] = [c | {"hash": "0" * 40} for c in page["commits"]]
        # Areas and the number of files follow from the names; the shape of their table is tested above.
        page["areas"] = page["areas"][:1]
        shapes.append((without_split_spans(skeleton(render(page, "markdown"))), Shape(render(page, "html")).tags))
    assert shapes[0] == shapes[1]


def test_the_page_loads_and_runs_nothing(found: dict[str, Any]) -> None:
    page = render(found, "html")
    tags = Shape(page).tags
    assert {tag[0] for tag in tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "a",
    } == set()
    assert [tag for tag in tags if any(name.startswith("on") or name in {"src", "href"} for name in tag[1:])] == []
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_markdown_has_no_html_of_ours_either(found: dict[str, Any]) -> None:
    kinds = {token.type for token in MarkdownIt("commonmark").enable("table").parse(render(found, "markdown"))}
    assert {kind for kind in kinds if "html" in kind} == set()
