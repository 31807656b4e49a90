"""Files that ship beside the library: gate profiles (`checks/`) and runbooks, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path

from guardrails.errors import GuardrailsError

_PACKAGE = Path(__file__).parent


def shipped(kind: str) -> Path:
    """The folder of `checks` or `runbooks`: inside the installed package, else at the top of the checkout.

    Raises GuardrailsError naming both places where it looked.
    """
    places = (_PACKAGE / f"_{kind}", _PACKAGE.parent.parent / kind)
    for place in places:
        if place.is_dir():
            return place
    raise GuardrailsError(f"{kind}/ is missing: looked in {places[0]} and {places[1]}. Reinstall guardrails-ops.")


def shipped_names(kind: str, suffix: str) -> list[str]:
    """The names of all files of that kind, without their suffix (`.toml`, `.md`)."""
    return sorted(path.stem for path in shipped(kind).glob(f"*{suffix}"))
