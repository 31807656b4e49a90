"""Where a continuation joins on: nothing lost, nothing doubled, and where it cannot be told, nothing at all."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.core.seam import LARGEST, SURE, Seam
from guardrails.errors import ConfigError

TEXT = """
stream answer provider window budget seconds token request server client whole break cut first last
text word model a the of to in and is that for it as was with be by on not he his but at are this
have from or had an they which one you were all her she there would their we him been has when who
will no more if out so up said what its about than into them can only other time new some could
these two may then do any like my now over such our man
"""
WORDS = TEXT.split()


def prose(chance: random.Random, words: int) -> str:
    """English words in no order."""
    return " ".join(chance.choices(WORDS, k=words))


def joined(seam: Seam, continuation: str, chance: random.Random) -> str:
    """What is new, of a continuation that comes in pieces."""
    told, at = "", 0
    while at < len(continuation):
        size = chance.randint(1, 12)
        told += seam.feed(continuation[at : at + size])
        at += size
    return told + seam.finish()


def fuzzed(trust: str, cuts: int) -> Counter[str]:
    """The verdicts over so many cuts of known texts; each that is no mismatch must give the text back."""
    chance = random.Random(20)
    verdicts: Counter[str] = Counter()
    book = prose(chance, 40_000)
    for _ in range(cuts):
        length = chance.randint(100, 700)
        at = chance.randint(0, len(book) - length)
        text = book[at : at + length]
        cut = chance.randint(1, len(text) - 1)
        quote = min(60, cut) if trust == "echo" else 0
        echo = 0 if trust == "continues" else max(quote, chance.randint(0, min(200, cut)))
        seam = Seam(text[:cut], trust, quote=quote)
        told = joined(seam, text[cut - echo :], chance)
        verdicts[seam.verdict] += 1
        if seam.verdict != "mismatch":
            assert text[:cut] + told == text, (seam.verdict, cut, echo)
        else:
            assert told == ""
    return verdicts


def test_ten_thousand_cuts_lose_and_double_nothing_where_nothing_is_known_of_the_server() -> None:
    verdicts = fuzzed("nothing", 10_000)
    # Echoes that chance could have made are not believed: 15 of 200 lengths; nor those of a text that has just begun.
    assert verdicts["mismatch"] < 2000
    assert verdicts["echoed"] > 7500


@pytest.mark.parametrize("trust", ["continues", "echo"])
def test_ten_thousand_cuts_lose_and_double_nothing_where_the_server_is_known(trust: str) -> None:
    verdicts = fuzzed(trust, 10_000)
    assert verdicts["mismatch"] == 0
    assert sum(verdicts.values()) == 10_000


@settings(deadline=None)
@given(
    text=st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=400),
    cut=st.integers(0, 400),
    echo=st.integers(0, 200),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_what_is_told_completes_any_text_or_there_is_a_mismatch(
    text: str, cut: int, echo: int, sizes: list[int]
) -> None:
    cut = min(cut, len(text))
    echo = min(echo, cut)
    seam = Seam(text[:cut])
    told, rest, n = "", text[cut - echo :], 0
    while rest:
        size = sizes[n % len(sizes)]
        told, rest, n = told + seam.feed(rest[:size]), rest[size:], n + 1
    told += seam.finish()
    # A short text that repeats itself can be read in two ways without a sign of it, unless the echo is a long one.
    if seam.verdict != "mismatch" and (echo == 0 or echo >= SURE):
        assert text[:cut] + told == text


@settings(deadline=None)
@given(text=st.text(alphabet="ab", min_size=40, max_size=300), cut=st.integers(20, 290), echo=st.integers(0, 200))
def test_text_that_repeats_itself_is_never_joined_wrongly(text: str, cut: int, echo: int) -> None:
    cut = min(cut, len(text) - 1)
    echo = min(echo, cut)
    seam = Seam(text[:cut])
    told = seam.feed(text[cut - echo :]) + seam.finish()
    assert seam.verdict == "mismatch" or text[:cut] + told == text


BEGUN = "The provider was busy, so the answer that it gave broke off in the middle of a sen"


def test_a_server_that_goes_on_is_heard_at_once() -> None:
    seam = Seam(BEGUN)
    assert seam.feed("tence.") == "tence."
    assert seam.verdict == "continued"
    assert seam.feed(" And") == " And"


def test_an_echo_is_held_back_until_it_is_over() -> None:
    seam = Seam(BEGUN)
    assert [seam.feed(piece) for piece in ("broke off in ", "the middle of ", "a sen", "tence.")] == [
        "",
        "",
        "",
        "tence.",
    ]
    assert seam.verdict == "echoed"


def test_one_that_begins_anew_is_held_back_until_it_comes_to_what_is_new() -> None:
    seam = Seam(BEGUN)
    assert seam.feed(BEGUN[:60]) == ""
    assert seam.feed(BEGUN[60:] + "tence.") == "tence."
    assert seam.verdict == "restarted"


def test_one_that_begins_anew_after_more_than_the_largest_echo_is_seen_as_well() -> None:
    text = prose(random.Random(1), 600)
    seam = Seam(text[:2000])
    assert joined(seam, text, random.Random(2)) == text[2000:]
    assert seam.verdict == "restarted"


@pytest.mark.parametrize(
    "continuation",
    [
        "n be read in two ways",  # one letter of it ends what was delivered
        "The provider was busy, and it still is, so the answer",  # begins anew, in other words
        "broke off in the middle of another one",  # echoes, and then says something else
    ],
)
def test_what_cannot_be_told_is_a_mismatch_and_nothing_of_it_is_new(continuation: str) -> None:
    seam = Seam(BEGUN)
    assert seam.feed(continuation) + seam.finish() == ""
    assert seam.verdict == "mismatch"
    assert seam.feed("more") == ""


def test_an_overlap_by_chance_is_none_where_the_server_is_known_to_go_on() -> None:
    seam = Seam(BEGUN, "continues")
    assert seam.feed("n be read in one way only") + seam.finish() == "n be read in one way only"


def test_repeating_text_goes_on_where_the_server_is_known_to_go_on() -> None:
    seam = Seam("m" * 300, "continues")
    assert seam.feed("m" * 50) + seam.finish() == "m" * 50


def test_an_echo_is_seen_even_where_none_was_expected() -> None:
    seam = Seam(BEGUN, "continues")
    assert seam.feed("in the middle of a sentence.") == "tence."


def test_characters_that_the_server_was_not_shown_are_no_echo() -> None:
    seam = Seam("Hello,  ", regrown=2)
    assert seam.feed("  world") + seam.finish() == "world"
    seam = Seam("Hello, ", regrown=1)
    assert seam.feed("world") + seam.finish() == "world"


def test_an_echo_that_was_asked_for_is_found_behind_other_words() -> None:
    seam = Seam(BEGUN, "echo", quote=20)
    assert seam.feed("Of course! " + BEGUN[-20:] + "tence.") == "tence."


def test_an_echo_that_was_asked_for_and_does_not_come_is_a_mismatch() -> None:
    seam = Seam(BEGUN, "echo", quote=20)
    told = "".join([seam.feed("Something else altogether. ") for _ in range(20)])
    assert (told, seam.verdict) == ("", "mismatch")


def test_no_more_is_held_back_than_the_largest_echo_and_what_was_asked_for() -> None:
    seam = Seam(BEGUN, "echo", quote=20)
    fed = 0
    while seam.verdict == "undecided":
        seam.feed("x")
        fed += 1
    assert fed == LARGEST + 20


def test_an_empty_continuation_adds_nothing() -> None:
    seam = Seam(BEGUN)
    assert (seam.finish(), seam.verdict) == ("", "continued")


def test_after_nothing_was_delivered_all_is_new() -> None:
    assert Seam("").feed("Hello") == "Hello"


def test_every_setting_that_is_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        Seam("abc", "echo", quote=0, regrown=9, largest=1)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["largest", "quote", "regrown"]
