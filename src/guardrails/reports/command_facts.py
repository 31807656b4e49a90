"""How a command is told of: its arguments without secrets, and the versions of its tools without running them."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from guardrails.redact import Redactor, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PREFIXED = re.compile(r"--?\w")


def redactor_of(environ: Mapping[str, str]) -> Redactor:
    """A redactor that knows by heart what the environment keeps under names that mean a secret."""
    secrets = {
        value.strip()
        for name, value in environ.items()
        if len(value.strip()) >= 6 and value not in redacted(f"{name}={value}")
    }
    return Redactor(values=secrets)


def without_secrets(argv: Sequence[str], redactor: Redactor) -> tuple[str, ...]:
    """The arguments, each by itself and each after the option before it: `--token x` tells what `x` does not."""
    shown: list[str] = []
    for place, word in enumerate(argv):
        clean = redactor.text(word)
        before = argv[place - 1] if place else ""
        if _PREFIXED.match(before):
            together = redactor.text(f"{before} {clean}")
            if together.startswith(f"{before} "):
                clean = together[len(before) + 1 :]
        shown.append(clean)
    return tuple(shown)


def versions_of(program: str, argv: Sequence[str]) -> dict[str, str]:
    """What the installation around a Python program says of itself and of the tools that the arguments name."""
    found = {}
    for folder in (Path(program).parent.parent, Path(program).resolve().parent.parent):
        for packages in sorted(folder.glob("lib/python3*/site-packages"))[:1]:
            found["python"] = packages.parent.name.removeprefix("python")
            names = {PurePath(word).name.lower().replace("-", "_") for word in argv[:4]} | {"pytest", "coverage"}
            for info in packages.glob("*.dist-info"):
                name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
                if name.lower().replace("-", "_") in names:
                    found[name.lower()] = version
        if found:
            break
    return found
