"""Which words the texts of a project say, sorted by what it means for an environment key to stand there.

spoken   all that is not a line that sets a key, nor documentation: a key that stands here may be read
placed   all of the files beside Python that are no documentation: a key that stands here may be set
told     documentation
"""

from __future__ import annotations

import re
import string
from functools import cached_property
from typing import TYPE_CHECKING

from guardrails.source import Role
from guardrails.source.extract import MAX_BYTES
from guardrails.source.files import role_of, text_of

if TYPE_CHECKING:
    from guardrails.preflight.checks.env_places import Places
    from guardrails.source import Project

# Above this much text nobody waits for the answer, and nothing is said to be unread.
MOST_BYTES = 64 * 1_048_576
_DOCUMENTATION = (".md", ".mdx", ".rst", ".adoc")
_NO_TEXT = re.compile(
    r".*\.(png|jpe?g|gif|svg|ico|webp|avif|bmp|tiff?|woff2?|ttf|otf|eot|mp[34]|wav|ogg|webm|mov|pdf|docx?|xlsx?|pptx?|zip|gz"
    r"|tgz|bz2|xz|zst|7z|tar|whl|jar|so|dll|dylib|exe|bin|o|a|pyc|pyd|parquet|arrow|feather|npy|npz|pkl|pt|onnx|safetensors"
    r"|h5|db|sqlite3?|mo|po|pot|map|lock|csv|tsv|jsonl|ndjson|min\.(js|css)|css|scss|less)"
)
_DIGITS = string.digits
# All that no word holds becomes a blank: to split there takes a quarter of the time of a pattern.
_BLANKED = bytes(code if chr(code) in f"{string.ascii_letters}{_DIGITS}_" else 32 for code in range(256))
_PREFIXES = re.compile(r"(?i)(?:env_?var_?prefix|env_prefix)\w*[\"']?\s*[=:]\s*[\"']([A-Za-z0-9_]+)[\"']")
# A prefix with which keys are put together or picked out: any key that begins with it may be read.
_PICKED = re.compile(
    r"(?i)(?:auto_envvar_prefix\s*=|startswith\(|removeprefix\(|prefixed\(|from_prefixed_env\(|prefix\s*[=:])\s*\(?\s*"
    r"f?[\"']([A-Za-z0-9]+_[A-Za-z0-9_]*)[\"']"
)
# Beginnings and ends of keys that code puts together: `f"{name}_API_KEY"`, `"APP_" + name`, `${NAME}_URL`.
_HEADS = re.compile(r"[\"'`]([A-Z][A-Z0-9_]*_)[\"'`{%$]")
_ENDS_OF_HEADS = tuple(f"_{mark}" for mark in "\"'`{%$")
_TAILS = re.compile(r"_[A-Z][A-Z0-9_]+[\"'`]")
_BEFORE_TAILS = frozenset("}\"'`s")
# Code that takes the environment as a whole, unless it picks by a prefix.
_WHOLE = re.compile(
    r"\bdotenv_values\([^)]*\)(?!\.get|\[)|Object\.(?:entries|keys)\(process\.env\)"
    r"|\bfor\s+\w+(?:\s*,\s*\w+)?\s+in\s+(?:\w+\()?(?:os\.)?environ\b(?![^\n]*\n?[^\n]*startswith)"
)
# A key that is computed, in a file that writes names in capitals: `os.getenv(name.upper())`.
_COMPUTED = re.compile(r"\b(?:getenv\(|environ\.get\(|environ\[)\s*(?![\"'])(?![A-Z_]+[\]),])")


class Readers:
    """All texts of one project."""

    def __init__(self, project: Project, places: Places) -> None:
        self.project = project
        self.complete = True
        self.whole = False
        self.spoken: set[str] = set()
        self.placed: set[str] = set()
        self.told: set[str] = set()
        self.python: dict[str, bytes] = {}
        self._prefixes: set[str] = set()
        self._heads: set[str] = set()
        self._tails: set[str] = set()
        setting = {
            path: "\n".join("$" + key for entry in entries for key in entry.uses) for path, entries in places.files
        }
        setting.update((path, image.spoken) for path, image in places.images)
        setting.update((path, composition.spoken) for path, composition in places.compositions)
        self._read(setting)

    def _read(self, setting: dict[str, str]) -> None:
        spoken, placed, told = set[bytes](), set[bytes](), set[bytes]()
        size = 0
        for path in sorted(self.project.python):
            data = self._bytes(path)
            size += len(data)
            self.python[path] = data
            spoken |= pieces(data)
            self._hear(data.decode("utf-8", "replace"), role_of(path))
        for path in (*self.project.others, *self.project.rest):
            name = path.rpartition("/")[2].lower()
            if _NO_TEXT.fullmatch(name):
                continue
            text = text_of(self.project.base / path)
            size += len(text)
            if size > MOST_BYTES:
                self.complete = False
                break
            said = pieces(text.encode())
            if name.endswith(_DOCUMENTATION):
                told |= said
                continue
            placed |= said
            heard = setting.get(path)
            spoken |= said if heard is None else pieces(heard.encode())
            self._hear(text if heard is None else heard, role_of(path))
        self.spoken, self.placed, self.told = words(spoken), words(placed), words(told)

    def _bytes(self, path: str) -> bytes:
        try:
            with (self.project.base / path).open("rb") as file:
                return file.read(MAX_BYTES)
        except OSError:
            self.complete = False
            return b""

    def _hear(self, text: str, role: Role) -> None:
        if "refix" in text or "startswith" in text or "PREFIX" in text:
            self._prefixes.update(_PREFIXES.findall(text))
            self._heads.update(prefix.upper() for prefix in _PICKED.findall(text))
        if any(end in text for end in _ENDS_OF_HEADS):
            self._heads.update(_HEADS.findall(text))
        # The pattern begins with a letter that is rare, and not with what stands before it, which is not.
        tails = [match for match in _TAILS.finditer(text) if text[match.start() - 1 : match.start()] in _BEFORE_TAILS]
        self._tails.update(match[0][:-1] for match in tails)
        if role is Role.APP and "env" in text and not self.whole:
            computed = ".upper()" in text and _COMPUTED.search(text) is not None
            self.whole = computed or _WHOLE.search(text) is not None

    @cached_property
    def prefixes(self) -> frozenset[str]:
        """What settings put before the names of their fields."""
        return frozenset(prefix.lower() for prefix in self._prefixes)

    @cached_property
    def _lowered(self) -> frozenset[str]:
        return frozenset(word.lower() for word in self.spoken)

    def reads(self, key: str) -> bool:
        """Whether anything of the project may read this key. True where that cannot be known."""
        if not self.complete or self.whole or key in self.spoken or key.lower() in self._lowered:
            return True
        heads = (head for head in self._heads if head.lower() not in self.prefixes)
        if any(map(key.upper().startswith, heads)) or any(map(key.upper().endswith, self._tails)):
            return True
        rests = [key.lower(), *(key.lower().removeprefix(prefix) for prefix in self.prefixes)]
        # A nested settings class: `database__url` is the field `database`.
        parts = {part for rest in rests for part in (rest, rest.partition("__")[0])}
        return any(part in self._lowered for part in parts)

    def explains(self, path: str, key: str) -> bool:
        """Whether a comment of a Python file speaks of the key."""
        text = self.python.get(path, b"").decode("utf-8", "replace")
        return re.search(rf"#.*\b{key}\b", text) is not None


def pieces(text: bytes) -> set[bytes]:
    """What letters, digits and underscores a text holds without anything between them."""
    return set(text.translate(_BLANKED).split())


def words(found: set[bytes]) -> set[str]:
    """What of these could be the name of a key: it begins with no digit."""
    return {piece.decode("ascii").lstrip(_DIGITS) for piece in found} - {""}
