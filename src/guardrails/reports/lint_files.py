"""Files, lines, functions and tests that a report says are there, beside the trees of the commits that it may mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardrails.reports.lint_facts import Claim, error, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardrails.reports.lint_document import Document
    from guardrails.reports.lint_facts import Found
    from guardrails.reports.lint_repository import Anchors

FILE, LINE, NAME = "GR-REPORT-023", "GR-REPORT-024", "GR-REPORT-025"

_SOURCE = (
    r"(?:py|pyi|js|jsx|ts|tsx|go|rs|java|kt|rb|php|c|cc|cpp|h|hpp|cs|swift|scala|sh|sql|toml|ya?ml|json|md|rst"
    r"|txt|cfg|ini|html|css|vue|tf|proto)"
)
_REFERENCE = re.compile(
    rf"(?<![\w/.@:-])(?P<path>(?:\.{{0,2}}/)?(?:[\w.@+-]+/)*[\w@+.-]*[\w@+-]\.{_SOURCE})"
    r"(?:(?::|#L|:L)(?P<first>\d{1,6})(?:(?:[-\u2013]L?|-#L)(?P<last>\d{1,6}))?(?::\d+)?"
    r"|::(?P<test>[A-Za-z_]\w*(?:::[A-Za-z_]\w*)?)"
    r"|`?\s*\(?(?:lines?|рядк\w+)\s+(?P<first2>\d{1,6})(?:\s?[-\u2013]\s?(?P<last2>\d{1,6}))?\)?)?(?![\w/])",
    re.IGNORECASE,
)
_UNREAL = re.compile(
    r"\b(?:will|would|should|could|propos\w*|todo|plan\w*|missing|absent|does(?:n't| not)|not\s+(?:exist|found"
    r"|there|yet|created|added)|need\w*|example|sample|e\.g|generated|ignored"
    r"|local(?:ly)?|temporary|temp|tmp|output|artifact|download\w*|upload\w*|install\w*|upstream|no\s+longer"
    r"|never|next|later|future|consider|instead|without|rather|like|such\s+as|if"
    r"|не\s+існує|буде|план\w*|приклад|відсутн\w*|не\s+существует|будет|пример|нет)\b|~~",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\b(?:add(?:ed|s)?|creat(?:ed|es)|modif(?:ied|ies)|chang(?:ed|es)|updat(?:ed|es)|fix(?:ed|es)|edit(?:ed)?"
    r"|refactor(?:ed)?|implement(?:ed|s)|rewrote|wrote|new|extended|touched|files?|module|in|see|test\w*"
    r"|додано|змінено|оновлено|виправлено|створено|файл\w*|добавлен\w*|измен[её]н\w*|исправлен\w*)\b",
    re.IGNORECASE,
)
_FILE_HEAD = re.compile(r"\W*(?:files?|paths?|modules?|файл\w*)\W*$", re.IGNORECASE)
_IN_FILE = re.compile(
    r"`(?P<name>[A-Za-z_][\w.]{2,80})(?P<call>\(\)|\([^`]{0,80}\))?`[^`.;]{0,40}?\b(?:in|of|from|at|to|у"
    r"|в)\s+`(?P<path>[\w./@+-]+\.\w{1,8})(?::\d+)?`"
    r"|`(?P<path2>[\w./@+-]+\.\w{1,8})(?::\d+(?:-\d+)?)?`\s*(?::|\u2014|\u2013|-|,)?\s*(?:new\s+|added\s+"
    r"|the\s+)?(?:function|method|class|helper|fixture|функці\w+|метод"
    r"|клас\w*)?\s*`(?P<name2>[A-Za-z_][\w.]{2,80})(?P<call2>\(\)|\([^`]{0,80}\))`"
)
_ADDED = re.compile(
    r"\b(?:add(?:ed|s)|implement(?:ed|s)|creat(?:ed|es)|introduc(?:ed|es)|wrote|new|extract(?:ed)?|додано"
    r"|реалізовано|створено|добавлен\w*|реализован\w*)\s+(?:an?\s+|the\s+|new\s+)*(?:async\s+|helper\s+"
    r"|private\s+|public\s+)*"
    r"(?:(?P<kind>function|method|class|helper|fixture|test|decorator|функці\w+|метод|клас\w*"
    r"|функци\w+)\s+)?`(?P<name>[A-Za-z_]\w{2,80}(?:\.[A-Za-z_]\w{2,80})?)(?P<call>\(\)|\([^`]{0,80}\))?`",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"\b(?:remov\w+|delet\w+|renam\w+|drop\w+|replac\w+|mov\w+|видал\w+|перейменов\w+|удал\w+|переимен\w+)\b",
    re.IGNORECASE,
)


def check(doc: Document, anchors: Anchors, folder: Path, findings: list[Found], claims: list[Claim]) -> None:
    """Every path, line and name in the prose and the code spans of a report."""
    names = _Names(anchors, folder)
    lists = {line: table.header for table in doc.tables for line in table.lines}
    for number, line in enumerate(doc.lines):
        if not doc.prose[number] or len(line) > 4_000 or "." not in line:
            continue
        for found in _REFERENCE.finditer(line):
            if re.search(r"\w+://\S*$", line[: found.start()]):
                continue
            in_list = number in lists and any(_FILE_HEAD.match(cell.text) for cell in lists[number])
            findings.extend(_reference(doc, names, number, found, claims, in_list=in_list))
    for number, line in enumerate(doc.lines):
        if doc.prose[number] and "`" in line and len(line) <= 4_000:
            findings.extend(_functions(doc, names, number, claims))


class _Names:
    """Paths as reports write them, and the files that they may mean."""

    def __init__(self, anchors: Anchors, folder: Path) -> None:
        self.anchors = anchors
        self.folder = folder
        self.points = anchors.points()
        self.roots = {name.split("/")[0] for name in anchors.history.files(anchors.tip) if "/" in name}

    def at(self, commit: str, path: str) -> list[str]:
        """The files of a commit that the path may mean."""
        path = path.removeprefix("./").lstrip("/")
        files = self.anchors.history.files(commit)
        if path in files:
            return [path]
        return sorted(name for name in files if name.endswith("/" + path))[:5]

    def exists(self, path: str) -> bool:
        """Whether there is such a file, or ever was one, in history or on the disk."""
        plain = path.removeprefix("./").lstrip("/")
        if (
            any(self.at(commit, path) for commit in self.points)
            or (self.folder / path).exists()
            or (self.anchors.history.folder / plain).exists()
        ):
            return True
        ever = self.anchors.history.ever()
        return plain in ever or any(name.endswith("/" + plain) for name in ever)

    def known_root(self, path: str) -> bool:
        """Whether the path begins with a folder of the repository."""
        return "/" in path and path.removeprefix("./").split("/")[0] in self.roots

    def contents(self, path: str) -> list[str]:
        """The texts of all files that the path may mean, at every commit that the report may mean."""
        texts = []
        for commit in self.points:
            for name in self.at(commit, path):
                text = self.anchors.history.content(commit, name)
                texts += [text] if text is not None else []
        return texts


def _reference(
    doc: Document, names: _Names, number: int, found: re.Match[str], claims: list[Claim], *, in_list: bool
) -> Iterator[Found]:
    line, path = doc.lines[number], found["path"]
    place = (number, found.start())
    if not names.exists(path):
        sure = in_list or names.known_root(path) or found["test"] is not None
        # A bare name may be of anything; where a line says that it was changed, it is of this repository.
        spanned = line[: found.start()].endswith("`")
        sure = sure or (
            spanned
            and _CHANGED.search(re.split(r"[.;]\s", line[: found.start()])[-1]) is not None
            and path.endswith((".py", ".ts", ".tsx", ".js", ".go", ".rs"))
        )
        titles = " ".join(doc.sections[index].title for index in doc.path_of(doc.section_of[number])[:1])
        if sure and not _UNREAL.search(line) and not _UNREAL.search(titles) and not _GONE.search(line):
            fix = "name the file that is there, or commit the one that is missing"
            yield error(
                FILE,
                place,
                line,
                f"{path} is not in the repository, and no commit ever had it",
                f"git log --all --oneline -- '*{shown(path, 80)}'",
                fix,
            )
        return
    if found["first"] or found["first2"]:
        yield from _line(names, place, line, found, claims)
    elif found["test"]:
        test = found["test"].split("::")[-1]
        texts = names.contents(path)
        if texts and not any(re.search(rf"\b{re.escape(test)}\b", text) for text in texts):
            yield error(
                NAME, place, line, f"{path} has no {test}", f"git grep -nw {test} -- {path}", "name the test that ran"
            )
        elif texts:
            claims.append(Claim(number + 1, found[0], "SUPPORTED"))
    else:
        claims.append(Claim(number + 1, path, "SUPPORTED"))


def _line(
    names: _Names, place: tuple[int, int], line: str, found: re.Match[str], claims: list[Claim]
) -> Iterator[Found]:
    first = int(found["first"] or found["first2"])
    last = int(found["last"] or found["last2"] or first)
    texts = names.contents(found["path"])
    lengths = [text.count("\n") + (not text.endswith("\n")) for text in texts]
    if last < first:
        yield error(
            LINE, place, line, f"line {last} is before line {first}", found[0], "write the smaller number first"
        )
    elif lengths and max(first, last) > max(lengths):
        path = names.at(names.points[0], found["path"])
        command = f"git show HEAD:{path[0]} | wc -l" if path else f"git log --stat -- {found['path']}"
        yield error(
            LINE,
            place,
            line,
            f"{found['path']} ends at line {max(lengths)}, at HEAD and at every commit named",
            command,
            "name the lines at a commit: path#L10 at its hash",
        )
    elif lengths:
        claims.append(Claim(place[0] + 1, found[0], "SUPPORTED"))


def _functions(doc: Document, names: _Names, number: int, claims: list[Claim]) -> Iterator[Found]:
    line = doc.lines[number]
    if _UNREAL.search(line) or _GONE.search(line):
        return
    told: set[str] = set()
    for found in _IN_FILE.finditer(line):
        name, path = found["name"] or found["name2"], found["path"] or found["path2"]
        called = found["call"] or found["call2"]
        word = name.split(".")[-1]
        texts = names.contents(path) if "/" in path or names.exists(path) else []
        if not texts or not (called or "_" in word or word[:1].isupper()) or re.search(rf"\.{_SOURCE}$", name):
            continue
        told.add(word)
        if any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for text in texts):
            claims.append(Claim(number + 1, f"{name} in {path}", "SUPPORTED"))
        else:
            yield error(
                NAME,
                (number, found.start()),
                line,
                f"{path} has no {word}, at HEAD and at every commit named",
                f"git grep -nw {word} -- '*{path}'",
                "name what is there, and where",
            )
    for found in _ADDED.finditer(line):
        word = found["name"].split(".")[-1]
        coded = found["call"] or (found["kind"] and found["kind"].lower() != "test") or (found["kind"] and "_" in word)
        if word in told or not coded or re.search(rf"\.{_SOURCE}$", found["name"]):
            continue
        if names.anchors.history.mentioned(word, names.points[:10]):
            claims.append(Claim(number + 1, found["name"], "SUPPORTED"))
        else:
            yield error(
                NAME,
                (number, found.start("name")),
                line,
                f"nothing in the repository is called {word}, at HEAD and at every commit named",
                f"git grep -nw {word}",
                "name what was added, or commit it",
            )
