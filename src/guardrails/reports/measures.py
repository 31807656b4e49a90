"""Before and after: figures may be compared when one method gave both, over equal windows that saw something.

measure(value, n, window, method, better)    of one record
compared(before, after)                      the change, or why there is none
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping

# Windows are watched by clocks and end between two lines.
WINDOW_SLACK = 0.05


class Change(NamedTuple):
    """Two figures side by side. `percent`: the change; None from nothing. `why_not`: why they are not comparable."""

    before: float
    after: float
    better: str
    why_not: str = ""

    @property
    def percent(self) -> float | None:
        return 100 * (self.after - self.before) / abs(self.before) if self.before else None

    @property
    def improved(self) -> bool:
        return self.after < self.before if self.better == "lower" else self.after > self.before


def measure(value: float, n: int, window: float | None, method: object, better: str = "lower") -> dict[str, Any]:
    """What a record keeps of a figure. `n`: how many things were looked at; `window`: seconds, None for one run of a
    command; `method`: all that must be equal for two figures to be comparable."""
    text = json.dumps(method, sort_keys=True)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"value": value, "n": n, "window": window, "method": digest, "better": better}


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    """The change from one figure to the other."""
    change = Change(before["value"], after["value"], after["better"])
    if before["method"] != after["method"]:
        return change._replace(why_not="measured in another way")
    if not before["n"] or not after["n"]:
        return change._replace(why_not="nothing was seen in a window")
    one, other = before["window"], after["window"]
    if (one is None) != (other is None) or (one is not None and abs(one - other) > WINDOW_SLACK * max(one, other)):
        return change._replace(why_not=f"the windows are {_seconds(one)} and {_seconds(other)} long")
    return change


def found_in(texts: Iterable[str], pattern: re.Pattern[str]) -> float | None:
    """The last figure that the first group of `pattern` finds; None where there is none."""
    found = [match[1] for text in texts for match in pattern.finditer(text)]
    try:
        return float(found[-1]) if found else None
    except (TypeError, ValueError):
        return None


def _seconds(window: float | None) -> str:
    return "unknown" if window is None else f"{window:g} s"
