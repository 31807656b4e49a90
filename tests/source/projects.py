"""Projects as text, read as the library reads them."""

from __future__ import annotations

import textwrap
import warnings
from typing import TYPE_CHECKING, Any

from guardrails.source import load_project
from guardrails.source.extract import extract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from guardrails.source import Project


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Put files on the disk; text is dedented, so that it may be indented where it stands."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return folder


def load(folder: Path, files: Mapping[str, str | bytes], **options: Any) -> Project:
    return load_project(write(folder, files), jobs=1, **options)


def facts_of(source: str | bytes, feature: tuple[int, int] | None = None) -> dict[str, Any]:
    """What extract() says of a source; the parser's own warnings go nowhere, as in a worker."""
    data = source if isinstance(source, bytes) else textwrap.dedent(source).encode("utf-8", "surrogatepass")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return extract(data, feature)
