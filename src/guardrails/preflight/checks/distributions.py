"""Which distribution owns which import name, read from the metadata of an environment; nothing is imported."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from guardrails.source.layout import normalised

if TYPE_CHECKING:
    from collections.abc import Iterator

# Distributions whose import name is not their own name with underscores.
IMPORT_NAMES = {
    "attrs": "attr", "beautifulsoup4": "bs4", "django-rest-framework": "rest_framework",
    "djangorestframework": "rest_framework", "faiss-cpu": "faiss", "gitpython": "git", "grpcio": "grpc",
    "guardrails-ai": "guardrails", "guardrails-ops": "guardrails", "nats-py": "nats", "opencv-python": "cv2",
    "pillow": "PIL", "psycopg2-binary": "psycopg2", "pyjwt": "jwt", "pymupdf": "fitz", "pyyaml": "yaml",
    "python-dateutil": "dateutil", "python-docx": "docx", "python-dotenv": "dotenv", "python-jose": "jose",
    "python-multipart": "multipart", "scikit-learn": "sklearn", "sentry-sdk": "sentry_sdk",
}  # fmt: skip


class Owned(NamedTuple):
    """A top-level import name. `digest`: of its first file; equal digests are one shared namespace package."""

    distribution: str
    version: str
    digest: str


def guessed_import_name(distribution: str) -> str:
    """The name under which a distribution is imported, as far as its own name tells."""
    return IMPORT_NAMES.get(normalised(distribution), normalised(distribution).replace("-", "_"))


def site_packages(base: Path, python: str | None) -> Path | None:
    """Where the project's own environment keeps its libraries: that of `python`, else of `.venv` or `venv`."""
    homes = [(base / python).parent.parent] if python else [base / ".venv", base / "venv"]
    for home in homes:
        for folder in sorted(home.glob("lib/python3*/site-packages")):
            return folder
        if (home / "Lib" / "site-packages").is_dir():
            return home / "Lib" / "site-packages"
    return None


def own_site_packages() -> Path | None:
    """Where this toolkit is installed. None in an editable checkout, which no other distribution overwrites."""
    home = Path(sys.modules["guardrails"].__file__ or "").resolve().parent.parent
    return home if home.name in ("site-packages", "dist-packages") else None


def owners(folder: Path, only: str | None = None) -> dict[str, list[Owned]]:
    """Import name -> the distributions that install it as a module or a regular package."""
    found: dict[str, list[Owned]] = {}
    needle = f"\n{only}/__init__.py,".encode() if only else b""
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        try:
            data = record.read_bytes()
        except OSError:
            continue
        if needle in b"\n" + data:
            for name, owned in _names(record, data.decode("utf-8", "replace")):
                if only is None or name == only:
                    found.setdefault(name, []).append(owned)
    return found


def _names(record: Path, text: str) -> Iterator[tuple[str, Owned]]:
    name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
    for line in text.splitlines():
        path, _, rest = line.partition(",")
        head, slash, tail = path.partition("/")
        is_package = slash and tail == "__init__.py"
        is_module = not slash and posixpath.splitext(head)[1] == ".py"
        if is_package or is_module:
            top = head.removesuffix(".py")
            if re.fullmatch(r"[A-Za-z_]\w*", top):
                yield top, Owned(name, version, rest.partition(",")[0])
