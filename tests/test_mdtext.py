"""Foreign text does not change a document's structure: a Markdown parser is the judge."""

from __future__ import annotations

import itertools
import re
import string
import textwrap
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from guardrails.mdtext import cell, code, fence, inline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from markdown_it.token import Token

# What GitHub parses, as far as it can be had here; HTML stays on, so that it would be seen.
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ZERO_WIDTH_SPACE = "\u200b"

IN_LINES = {
    "heading": "# {}\n\nafter\n",
    "closed heading": "## {} ##\n\nafter\n",
    "paragraph": "{}\n\nafter\n",
    "second line": "before\n{}\nafter\n",
    "middle of a line": "before {} after\n",
    "before a mark": "{}*after* {}[link](u)\n",
    "before code": "{}`code` after\n",
    "list item": "- {}\n- after\n",
    "numbered item": "1. {}\n2. after\n",
    "quote": "> {}\n> after\n\nend\n",
    "list in a quote": "> - before\n>   {}\n",
    "link text": "[{}](https://example.com) after\n",
    "bold": "before **{}** after\n",
    "struck": "before ~~{}~~ after\n",
    "cell": "| a | b |\n| --- | --- |\n| {} | x |\n| y | {} |\n\nafter\n",
    "narrow cell": "|a|b|\n|-|-|\n|{}|x|\n|y|{}|\n\nafter\n",
    "table head": "| {} | b |\n| --- | --- |\n| x | y |\n",
    "before a table": "{}\n\n| a |\n| - |\n| b |\n",
}
IN_BLOCKS: dict[str, Callable[[str], str]] = {
    "alone": lambda block: f"{block}\n\nafter\n",
    "between": lambda block: f"before\n{block}\nafter\n",
    "list item": lambda block: f"- before\n\n{textwrap.indent(block, '  ', lambda line: True)}\n\n- after\n",
    "quote": lambda block: f"{textwrap.indent(block, '> ', lambda line: True)}\n\nafter\n",
}


def tokens(document: str) -> Iterator[Token]:
    for token in PARSER.parse(document):
        yield token
        yield from token.children or ()


def skeleton(document: str) -> list[tuple[str, str, int, object]]:
    """Everything about a document but its text."""
    return [(token.type, token.tag, token.nesting, token.attrGet("href")) for token in tokens(document)]


def rendered(document: str) -> list[str]:
    """The texts of a document as a reader sees them, without what was put in to break a reference."""
    texts = (token.content for token in tokens(document) if token.type in {"text", "code_inline", "fence"})
    return [text.replace(ZERO_WIDTH_SPACE, "") for text in texts]


def without_split_spans(shape: list[tuple[str, str, int, object]]) -> list[tuple[str, str, int, object]]:
    """A code span in which a pipe stood is two spans with a pipe between: one, as far as structure goes."""
    joined: list[tuple[str, str, int, object]] = []
    for entry in shape:
        plain = ("text", "", 0, None) if entry[0] in {"text", "code_inline"} else entry
        if plain[0] != "text" or joined[-1:] != [plain]:
            joined.append(plain)
    return joined


def fill(template: str, text: str) -> str:
    return template.replace("{}", text)


def check_inline(text: str, place: str) -> None:
    template = IN_LINES[place]
    escape = cell if "cell" in place else inline
    assert skeleton(fill(template, escape(text))) == skeleton(fill(template, "x")), (place, text)


def check_code(text: str, place: str) -> None:
    template = IN_LINES[place]
    if place == "before code":
        return  # two spans must not touch
    shape = skeleton(fill(template, code(text)))
    if "|" in text:
        assert without_split_spans(shape) == without_split_spans(skeleton(fill(template, "`x`"))), (place, text)
    else:
        assert shape == skeleton(fill(template, "`x`")), (place, text)


def check_fence(text: str, place: str) -> None:
    template = IN_BLOCKS[place]
    assert skeleton(template(fence(text))) == skeleton(template("```\nx\n```")), (place, text)


HOSTILE = [
    *("<script>alert(1)</script>", "<b>", "</td></tr></table>", "<!-- ", "-->", "<!DOCTYPE x>", "<?php", "<![CDATA["),
    *("<img src=x>", "![a](http://x/y.png)", "[a](javascript:x)", "[a]: http://x 'y'", "[a][b]", "[^1]", "[^1]: note"),
    *("[ ] task", "![", "](", "](", "===", "---", "- - -", "***", "* * *", "___", "+", "-", "*", "1.", "1)", "123. x"),
    *("#", "###### ", ">", "> > x", ":---", "~", "```", "``` js", "````", "~~~", "`", "``", "`x`", "``` `` `", "**"),
    *("__", "*a*", "_a_", "~~a~~", "a|b", "|", "\\|", "\\", "\\\\", "|---|", "| - | - |", ":-:", "&amp;", "&#35;", "&"),
    *(
        "http://x.y",
        "https://x/?a=b&c",
        "www.x.y",
        "ftp://x",
        "a@b.c",
        "<http://x>",
        "<a@b.c>",
        "mailto:a@b.c",
        "@user",
    ),
    *(
        "@org/team",
        "fixes #12",
        "closes GH-12",
        "resolves o/r#1",
        "#1",
        "!1",
        "$x$",
        "$$",
        "{{ x }}",
        "{#id}",
        ":tada:",
    ),
    *("\u202eabc", "\u2066x\u2069", "\u200bx\u200d", "\ufeff", "\x00", "\r", "\r\n", "\n", "\n\n", "\u2028", "\u2029"),
    *("\x85", "\x0b", "\x0c", "\t", "\tcode", "    code", " ", "  ", "\u00a0", "\u3000", "x  ", "\ud800", "!", "\n# x"),
    *("\n- x", "\n| x |"),
]
PAYLOADS = sorted({*HOSTILE, *map("".join, itertools.product(HOSTILE, ["", "\n"], HOSTILE[::10]))})


def test_there_are_enough_payloads() -> None:
    assert len(PAYLOADS) >= 2_000


@pytest.mark.parametrize("place", IN_LINES)
def test_hostile_text_stays_text_within_a_line(place: str) -> None:
    for payload in PAYLOADS:
        check_inline(payload, place)


@pytest.mark.parametrize("place", IN_LINES)
def test_hostile_text_stays_in_its_code_span(place: str) -> None:
    for payload in PAYLOADS:
        check_code(payload, place)


@pytest.mark.parametrize("place", IN_BLOCKS)
def test_hostile_text_stays_in_its_block(place: str) -> None:
    for payload in PAYLOADS:
        check_fence(payload, place)


SPECIAL = st.text(st.sampled_from("\\`*_{}[]()<>#+-.!|~=:@&$ \t\n\r12aw/\"'^;?\u202e\u200b"), max_size=12)


@example("\\", "narrow cell")
@example("!", "before a mark")
@given((st.text() | SPECIAL).filter(bool), st.sampled_from(list(IN_LINES)))
def test_any_text_stays_text_within_a_line(text: str, place: str) -> None:
    check_inline(text, place)
    check_code(text, place)


@given(st.text() | SPECIAL, st.sampled_from(list(IN_BLOCKS)))
def test_any_text_stays_in_its_block(text: str, place: str) -> None:
    check_fence(text, place)


@given(st.text(st.sampled_from(string.ascii_letters + string.digits + string.punctuation + " "), min_size=1))
def test_printable_text_reads_as_it_was(text: str) -> None:
    assert rendered(f"| a |\n| - |\n|{cell(text)}|") == ["a", text]
    assert "".join(rendered(inline(text))) == text
    assert "".join(rendered(code(text))) == text
    assert rendered(fence(text)) == [text + "\n"]


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_written_can_be_encoded_and_is_one_line(text: str) -> None:
    for written in (inline(text), cell(text), code(text)):
        written.encode("utf-8")
        assert len(written.splitlines()) <= 1
        assert written.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain words, 3 of them (really).", "plain words, 3 of them (really)."),
        ("snake_case *x* [y] `z`", "snake\\_case \\*x\\* \\[y\\] \\`z\\`"),
        ("a | b & <c> $d$", "a &#124; b &amp; &lt;c&gt; &#36;d&#36;"),
        ("two\nlines\tand\u202e\x00", "two\\\\nlines\\\\tand\\\\u202e\\\\x00"),
        ("half \ud800, joined a\u200db, tag \U000e0041", "half \\\\ud800, joined a\\\\u200db, tag \\\\U000e0041"),
        ("a\u00a0b \u2800 \ufe0f", "a\\\\xa0b \\\\u2800 \ufe0f"),
        ("1. x", "1\\. x"),
        ("1.5 s", "1\\.5 s"),
        ("- x", "\\- x"),
        ("x - y", "x - y"),
        ("  x ", "&#32; x&#32;"),
        ("wow!", "wow\\!"),
        ("C:\\", "C:&#92;"),
    ],
)
def test_inline_text_is_escaped_as_little_as_possible(text: str, expected: str) -> None:
    assert inline(text) == expected


ALIVE = [r"@[A-Za-z0-9]", r"#\d", r"GH-\d", r":\/\/", r"www\.", r"!\d", r":[a-z0-9_+-]+:"]


@pytest.mark.parametrize(
    "text",
    [
        *("@user", "cc @user, (@org/team)", "the decorator @app.task", "a@b.example", "user@0123abc"),
        *("fixes #12", "Closes GH-12", "closes gh-12", "resolved owner/repo#1", "#1", "see !17", ":tada: a:b:c: :+1:"),
        *("fixes https://github.com/o/r/issues/1", "HTTP://X", "ftp://x", "www.example.com", "WWW.example.com"),
    ],
)
def test_no_mention_reference_or_link_comes_alive(text: str) -> None:
    shown = "".join(token.content for token in tokens(inline(text)) if token.type == "text")
    assert [pattern for pattern in ALIVE if re.search(pattern, shown, re.IGNORECASE)] == []
    assert shown.replace(ZERO_WIDTH_SPACE, "") == text


def test_a_mention_is_not_made_by_what_follows() -> None:
    assert inline("write to @").endswith("@&#8203;")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "` `"),
        ("x", "`x`"),
        (" x ", "`  x  `"),
        (" x", "` x`"),
        ("  ", "`  `"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("``a", "``` ``a ```"),
        ("a|b", "`a`&#124;`b`"),
        ("|", "&#124;"),
        ("\\|", "`\\`&#124;"),
        ("a\nb\u202e", "`a\\nb\\u202e`"),
    ],
)
def test_code_spans(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("x", "", "```\nx\n```"),
        ("x\n", "python", "```python\nx\n```"),
        ("x\n\n", "", "```\nx\n\n```"),
        ("", "", "```\n\n```"),
        ("a\n```\nb", "", "````\na\n```\nb\n````"),
        ("a `````", "", "``````\na `````\n``````"),
        ("a\tb\r\nc\rd\x00\u202e", "", "```\na\tb\nc\\rd\\x00\\u202e\n```"),
        ("x", "c++", "```c++\nx\n```"),
        ("x", "py`\n<b> é", "```pyb\nx\n```"),
    ],
)
def test_fences(text: str, language: str, expected: str) -> None:
    assert fence(text, language) == expected


@given(st.text())
def test_no_language_can_open_or_end_a_fence(language: str) -> None:
    assert skeleton(fence("x", language)) == skeleton(fence("x"))
