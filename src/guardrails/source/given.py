"""What Dockerfiles and compose files put into the environment of the programs that they start.

A tolerant reader of lines, no YAML parser: it knows block style, as nearly all compose files have it. What it does
not know (flow style, tabs, merged keys) gives no key, and all its text counts as spoken.

`spoken` is the text of a file without what only sets a key: a key that stands in it is used by something.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from guardrails.source.envfile import used_in
from guardrails.source.launch import instructions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Images that bring no program of their own that would read keys.
PLAIN_IMAGES = frozenset(
    {"python", "debian", "ubuntu", "alpine", "fedora", "uv", "slim", "bookworm", "trixie", "scratch", "busybox"}
)
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:[^\s\\]|\\.)*)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ITEM = re.compile(r"-\s+[\"']?([A-Za-z_][A-Za-z0-9_]*)[\"']?\s*(?:=(.*))?$")
_ENTRY = re.compile(r"[\"']?([A-Za-z_][A-Za-z0-9_]*)[\"']?\s*:(?:\s+(.*))?$")


class Given(NamedTuple):
    """A key that a file sets or hands on."""

    key: str
    line: int


class Run(NamedTuple):
    """A RUN of a Dockerfile. `given`: the keys that are set there. `stage`: the name of its stage."""

    line: int
    command: str
    given: frozenset[str]
    stage: str


class Image(NamedTuple):
    """A Dockerfile. `given`: ENV of stages whose base reads no keys of its own. `args`: likewise ARG."""

    given: tuple[Given, ...]
    args: tuple[Given, ...]
    runs: tuple[Run, ...]
    starts: tuple[str, ...]
    spoken: str


class Service(NamedTuple):
    """A service of a compose file. `context`: the folder that it is built from, as it stands there; None: not built.

    `dockerfile`: its name below that folder, where it is not the usual one.
    """

    name: str
    context: str | None
    dockerfile: str | None
    given: tuple[Given, ...]
    env_files: tuple[str, ...]


class Composition(NamedTuple):
    """A compose file."""

    services: tuple[Service, ...]
    spoken: str


def is_dockerfile(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.startswith(("dockerfile", "containerfile")) or name.endswith(".dockerfile")


def is_compose(path: str) -> bool:
    return re.fullmatch(r".*compose.*\.ya?ml", path.rpartition("/")[2].lower()) is not None


def read_image(text: str) -> Image:
    """Read a Dockerfile."""
    given: list[Given] = []
    args: list[Given] = []
    runs: list[Run] = []
    starts: list[str] = []
    spoken: list[str] = []
    # Stage -> whether its base is plain, and what is set in it.
    stages: dict[str, tuple[bool, set[str]]] = {}
    stage, plain, here = "", False, set[str]()
    for line, instruction in instructions(text.removeprefix("\ufeff")):
        word, _, rest = instruction.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "FROM":
            image, *named = [part for part in rest.split() if not part.startswith("--")] or [""]
            before = stages.get(image.lower())
            stage = named[-1].lower() if len(named) > 1 else ""
            plain, here = (before[0], set(before[1])) if before else (_is_plain(image), set())
            stages[stage] = (plain, here)
            spoken.append(rest)
        elif word in ("ENV", "ARG"):
            pairs = _pairs(word, rest)
            here.update(key for key, _ in pairs)
            spoken += ["$" + used for _, value in pairs for used in used_in(value)]
            if plain:
                (given if word == "ENV" else args).extend(Given(key, line) for key, _ in pairs)
        else:
            spoken.append(instruction)
            if word == "RUN":
                runs.append(Run(line, rest, frozenset(here), stage))
            elif word in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
                starts.append(rest)
    return Image(tuple(given), tuple(args), tuple(runs), tuple(starts), "\n".join(spoken))


def _is_plain(image: str) -> bool:
    name = re.split(r"[:@]", image.rpartition("/")[2])[0].lower()
    return name in PLAIN_IMAGES


def _pairs(word: str, rest: str) -> list[tuple[str, str]]:
    """The keys of one ENV or ARG with their values, which go no further than to be searched for `$KEY`."""
    if word == "ENV" and (match := _WORD.match(rest)) is not None and rest[match.end() : match.end() + 1] != "=":
        return [(match[0], rest[match.end() :])]
    if word == "ARG":
        found = [re.fullmatch(r"([A-Za-z_]\w*)(?:=(.*))?", part) for part in rest.split()]
        return [(match[1], match[2] or "") for match in found if match]
    return _PAIR.findall(rest)


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def read_compose(text: str) -> Composition:
    """Read a compose file."""
    lines = [
        _Line(number, len(raw) - len(raw.lstrip(" ")), raw.strip())
        for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1)
        if raw.strip() and not raw.lstrip().startswith("#")
    ]
    blocks = [block for head, block in _blocks(lines) if head.text == "services:" and head.indent == 0]
    services: list[Service] = []
    setting: set[int] = set()
    values: list[str] = []
    for head, block in _blocks(blocks[0]) if blocks else ():
        if head.text.endswith(":"):
            service, uses = _service(head.text[:-1].strip("\"'"), block)
            services.append(service)
            if service.context is not None:
                setting.update(given.line for given in service.given)
                values += uses
    spoken = [line.text for line in lines if line.number not in setting]
    return Composition(tuple(services), "\n".join([*spoken, *values]))


def _blocks(lines: Sequence[_Line]) -> Iterator[tuple[_Line, list[_Line]]]:
    """Each line of the outermost indent with the lines below it; `- items` may stand at the indent of their key."""
    head: _Line | None = None
    block: list[_Line] = []
    for line in lines:
        outer = lines[0].indent
        if head is None or (line.indent <= outer and not (line.text.startswith("- ") and head.text.endswith(":"))):
            if head is not None:
                yield head, block
            head, block = line, []
        else:
            block.append(line)
    if head is not None:
        yield head, block


def _service(name: str, block: list[_Line]) -> tuple[Service, list[str]]:
    """A service, and the `$KEY`s that the values of its environment use."""
    keys: dict[str, tuple[str, list[_Line]]] = {}
    for head, below in _blocks(block):
        key, _, rest = head.text.partition(":")
        keys[key] = (rest.strip(), below)
    given: list[Given] = []
    uses: list[str] = []
    rest, items = keys.get("environment", ("", []))
    if not rest or rest.startswith("&"):
        for head, below in _blocks(items):
            match = _ITEM.match(head.text) or _ENTRY.match(head.text)
            if match:
                given.append(Given(match[1], head.number))
                written = " ".join([match[2] or "", *(line.text for line in below)])
                # `KEY: ${KEY}` hands on and reads nothing.
                uses += ["$" + used for used in used_in(written) if used != match[1]]
    rest, items = keys.get("env_file", ("", []))
    names = [rest] if rest else [line.text for line in items]
    files = tuple(re.sub(r"^(-\s+)?(path:\s*)?", "", name).strip("\"'[] ") for name in names)
    context, below = keys.get("build", (None, []))
    details = {key: value.strip().strip("\"'") for key, _, value in (line.text.partition(":") for line in below)}
    context = (context or details.get("context") or "").strip("\"'") or None
    named = tuple(file for file in files if file)
    return Service(name, context, details.get("dockerfile"), tuple(given), named), uses
