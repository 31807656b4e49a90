"""Which rung a sentence needs, word by word; what of it is no claim at all; and what is true below the rung.

    "syntax ok" E2   "tested" E3   "deployed" E4   "eliminated", "faster", "−40 %" E5   "production ready" all of them

What is denied, hoped for or still to do claims nothing: "not tested yet", "should be faster". A sentence without a
word that is known needs tests, for a tool that does not understand a claim must not wave it through.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from guardrails.evidence import Rung


class Need(NamedTuple):
    """What one word needs.

    `start`, `end`: where it stands. `whole`: it speaks of every test; `new`: of new failures alone; `policy`: of
    everything. `tests`: so many passed; `covered`: so many per cent of the lines are. `none`: the figure is zero;
    `gone`: it became zero; `percent`: it changed by so much.
    """

    word: str
    rung: Rung
    start: int
    end: int
    whole: bool = False
    new: bool = False
    policy: bool = False
    tests: int | None = None
    covered: float | None = None
    none: bool = False
    gone: bool = False
    percent: float | None = None


_TESTS = r"(?:(?:unit|integration|e2e|regression|automated|existing)\s+)?(?:tests?|test\s+cases|specs?|checks|suites?)"
_BAD = (
    r"(?:errors?|crash(?:es)?|timeouts?|warnings|data\s+loss|downtime|leaks?|bugs?|issues|outages?|failures?|problems?)"
)
_POLICY = (
    r"production[\s-](?:ready|grade)|prod[\s-]ready|release[\s-]ready|ready\s+(?:for|to)\s+(?:production|prod|release|ship"
    r"|launch|deploy\w*|merge)|battle[\s-]tested|bullet-?proof|rock[\s-]solid|enterprise[\s-]grade|ship\s+it"
    r"|готов\w*\s+до\s+(?:продакш[еі]?н\w*|проду|релізу|випуску)"
)
_MEASURED = (
    rf"(?P<gone>eliminat\w+|eradicat\w+|\b{_BAD}\s+(?:are|is|have|has|went)\s+(?:\w+\s+)?(?:gone|disappeared|vanished)"
    r"|усунут\w+|повністю\s+зник\w+)"
    rf"|(?P<none>error-free|\b(?:no|zero|0|without(?:\s+any)?|free\s+of)\s+(?:more\s+|known\s+|further\s+)?{_BAD})"
    r"|\b(?:faster|quicker|cheaper|halved|doubled|tripled|more\s+(?:efficient|responsive)|sped\s+up|speed-?up"
    r"|lower\s+latency)\b"
    r"|[-\u2212+~]?\s?\d+(?:\.\d+)?\s?%\s*(?:less|fewer|faster|slower|lower|higher|more|better|quicker|smaller|reduction"
    r"|improvement|increase|decrease|drop|gain)"
    r"|\b(?:reduc|improv|increas|decreas|cut|dropp|lower|rais|shr[au]nk)\w*\b[^.;]{0,40}?\b(?:by|to)\s+~?\d[\d.]*\s?\S*"
    r"|[-\u2212+]\s?\d+(?:\.\d+)?\s?%|\b\d+(?:\.\d+)?\s?[x\u00d7]\s+(?:faster|better|less|more|fewer)"
    r"|швидш\w+"
)
_TARGET = (
    r"\b(?:deployed|rolled\s+out|released\s+to|shipped\s+to|is\s+live|are\s+live|went\s+live|gone\s+live"
    r"|(?:runs?|running|works?|working|healthy|verified|tested)\s+(?:fine\s+|well\s+)?(?:in|on)\s+(?:production|prod|staging)"
    r"|in\s+production\b(?!\s+code))|розгорнут\w+|викочен\w+"
)
_TESTED = (
    rf"\b(?:(?P<all>all|every|each|the\s+(?:whole|full|entire|complete)|100\s?%\s+of)\s+(?:of\s+)?(?:the\s+|our\s+)?)?"
    rf"(?P<count>\d[\d,]*)?\s*{_TESTS}\s+(?:\w+\s+)?(?:pass(?:es|ed|ing)?|(?:is|are|were|all)\s+green|succeed\w*|ran|executed)\b"
    rf"|\b(?:no|zero|0)\s+(?:failing\s+|failed\s+){_TESTS}|\b(?:no|not\s+a\s+single|zero)\s+{_TESTS}\s+fail\w*|\b0\s+failed"
    r"|\b(?P<new>no\s+(?:new\s+failures?|regressions?|newly\s+failing\s+tests))\b"
    r"|\b(?P<everything>fully|thoroughly|completely|entirely|100\s?%)\s+(?:tested|verified|working|functional|done|complete)\b"
    r"|\bcoverage\s+(?:is|of|at|reached|reaches|:|=)?\s*(?:now\s+)?(?P<c1>\d+(?:\.\d+)?)\s?%"
    r"|\b(?P<c2>\d+(?:\.\d+)?)\s?%\s+(?:line\s+|test\s+|code\s+)?cover(?:age|ed)"
    r"|\b(?:tested|verified|validated|proven|confirmed|works?|working|fixed|fixes|resolved|solved|passes|passing|green"
    r"|stable|reliable|robust|safe|secure|correct(?:ly)?|functional|complete[d]?|done|finished|ready|bug-free|solid|fine)\b"
    r"|протестован\w+|перевірен\w+|виправлен\w+|працю[єю]\w*|тести\s+прох\w+|готов[оаі]"
)
_STATIC = (
    r"\b(?:syntax(?:\s+is)?\s+(?:ok|fine|correct|valid)|compil(?:es|ed)|byte-compiled|lints?(?:\s+clean|\s+passes)?|linted"
    r"|type-?checks?(?:\s+clean)?|type-?checked|parses|imports\s+cleanly|the\s+gate\s+passe[sd])\b|синтаксис\s+коректн\w+"
)
_EXISTS = (
    r"^\W*(?:(?:we|i)\s+(?:have\s+)?)?(?:added|adds|renamed|moved|removed|wrote|documented|created|listed|recorded"
    r"|описано|додано)\b"
)
_KINDS = tuple(
    (rung, policy, re.compile(pattern, re.IGNORECASE))
    for rung, policy, pattern in (
        (Rung.MEASURED, True, _POLICY),
        (Rung.MEASURED, False, _MEASURED),
        (Rung.RUN_IN_TARGET, False, _TARGET),
        (Rung.STATIC, False, _STATIC),
        (Rung.TESTED, False, _TESTED),
        (Rung.EXISTS, False, _EXISTS),
    )
)
# Before a word, in its clause: it is denied, hoped for, asked or still to do.
_HEDGED = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|cannot|without|lacks?|lacking|isn't|aren't|wasn't|weren't|hasn't"
    r"|haven't|can't|couldn't|didn't|doesn't|don't|won't|could|would|should|must|might|may|will|shall|if|unless|until|once"
    r"|whether|when|unclear|unknown|unproven|to\s+be|yet|planned?|pending|todo|needs?|hope\w*|expect\w*|aims?|want\w*|goal"
    r"|partly|partially|half|only|hardly|barely|almost|nearly|fail(?:s|ed)?\s+to|before|instead\s+of|rather\s+than|un\w+ed"
    r"|не|ні|ще|без|має|буде|треба|потрібно|частково|майже|якщо|чи)\b|\?",
    re.IGNORECASE,
)
# After a word: what was looked at went wrong.
_WENT_WRONG = re.compile(
    r"^[^.;]{0,60}?\b(?:(?:do|does|did|is|are|was|were|has|have)(?:\s+not|n't)\b(?!\s+(?:fail|break|crash|drop|lose|regress))"
    r"|fails?\b(?!\s*(?:over|safe))|failed|failing|broken|breaks|crashes|cannot|wrong|missing|only\s+(?:on|in|for|with)|except"
    r"|не\s+працю)",
    re.IGNORECASE,
)
_ADMITS = re.compile(
    r"\b(?:fail(?:s|ed|ing)?|broken|breaks|crash(?:es|ed)|missing|unknown|unclear|limitations?|not|never|cannot|can't|no|nobody"
    r"|todo|deferred|skipped|flaky|slower|regress(?:es|ed|ion)?|untested|unverified|incomplete|partial(?:ly)?|workaround|open"
    r"|pending|remain(?:s|ing)?|still|persists?|later|gave\s+up|reverted|rolled\s+back|blocked|wrong|lost|leaks?|times?\s+out|timed\s+out"
    r"|не|відкладено|невідомо|падає|зламан\w+)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.;:!?,\u2014\u2013]\s|\s(?:but|and|while|although|yet|however|але|і|та)\s", re.IGNORECASE)
_BELOW = {
    Rung.ASSERTED: "only asserted",
    Rung.EXISTS: "only recorded",
    Rung.STATIC: "checked without being run",
    Rung.TESTED: "only tested",
    Rung.RUN_IN_TARGET: "only run in the target",
}


def needs(text: str) -> list[Need]:
    """What the sentence claims, in its own order; empty when it claims nothing that needs evidence."""
    found: list[Need] = []
    hedged = False
    for rung, policy, pattern in _KINDS:
        for match in pattern.finditer(text):
            if any(match.start() < need.end and need.start < match.end() for need in found):
                continue
            if _is_hedged(text, match):
                hedged = True
                continue
            found.append(_need(match, rung, policy=policy))
    if found:
        return sorted(found, key=lambda need: need.start)
    if hedged or _ADMITS.search(text):
        return []
    return [Need(text, Rung.TESTED, 0, len(text))]


def honest(text: str, reached: Rung, does: str = "", *, narrowed: bool = False) -> str:
    """The sentence with what is true in place of each word that needs more than was reached.

    `does`: what the command did, where it only looked at code: "byte-compiled". `narrowed`: it left tests out.
    """
    instead = f"{does} only" if does and reached is Rung.STATIC else _BELOW.get(reached, "")
    done = len(text)
    for need in reversed(needs(text)):
        true = "a part of the tests passed" if narrowed and need.whole else instead
        if (need.policy or need.rung > reached or true != instead) and true and need.end <= done:
            text = f"{text[: need.start]}[{true}]{text[need.end :]}"
            done = need.start
    return text


def _is_hedged(text: str, match: re.Match[str]) -> bool:
    before = _CLAUSE.split(text[: match.start()])[-1]
    return bool(_HEDGED.search(before) or _WENT_WRONG.search(text[match.end() :]) or text[match.end() :][:1] == "?")


def _need(match: re.Match[str], rung: Rung, *, policy: bool) -> Need:
    said = match.groupdict()
    count, covered = said.get("count"), said.get("c1") or said.get("c2")
    percent = re.search(r"(\d+(?:\.\d+)?)\s?%", match[0]) if rung is Rung.MEASURED and not policy else None
    return Need(
        match[0].strip(),
        rung,
        match.end() - len(match[0].lstrip()),
        match.end(),
        whole=bool(said.get("all") or said.get("everything")),
        new=bool(said.get("new")),
        policy=policy,
        tests=int(count.replace(",", "")) if count else None,
        covered=float(covered) if covered else None,
        none=bool(said.get("none")),
        gone=bool(said.get("gone")),
        percent=float(percent[1]) if percent else None,
    )
