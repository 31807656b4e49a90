"""A plain tree cut down to a number of bytes, with a marker in each container that lost members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.writer import plain_bytes

if TYPE_CHECKING:
    from guardrails.jsonsafe.report import Ledger

# Kept free in each open container: its brackets, and the marker that it may need.
RESERVE = 64


class Trimmer:
    """Keeps what comes first, in the order of the output, and stops at the first member that does not fit."""

    def __init__(self, most_bytes: int, ledger: Ledger) -> None:
        self.left = most_bytes
        self.ledger = ledger
        self.full = False

    def trimmed(self, tree: Any) -> Any:
        if not self.takes(tree):
            self.ledger.add((), "size", type(tree).__name__, "marker")
            return {"$lost": "size", "$type": type(tree).__name__}
        return self.fitted(tree, ())

    def takes(self, node: Any, name: str | None = None) -> bool:
        """Whether a scalar, or the beginning of a container, has room; if so it is paid for."""
        if self.full:
            return False
        own = RESERVE if type(node) in (dict, list) else len(plain_bytes(node))
        cost = own + 1 + (0 if name is None else len(plain_bytes(name)) + 1)
        self.full = cost > self.left
        if not self.full:
            self.left -= cost
        return not self.full

    def fitted(self, node: Any, path: tuple[str | int, ...]) -> Any:
        """`node` as far as it fits; its beginning is paid for."""
        if type(node) is dict:
            kept: dict[str, Any] = {}
            for name, member in node.items():
                if not self.takes(member, name):
                    self.ledger.add(path, "size", "dict", "cut")
                    # Should the user's own data hold this name already, it is the marker that gives way.
                    kept.setdefault("$lost", self.marker("dict", len(node) - len(kept)))
                    return kept
                kept[name] = self.fitted(member, (*path, name))
            self.left += RESERVE - 2
            return kept
        if type(node) is list:
            listed: list[Any] = []
            for place, member in enumerate(node):
                if not self.takes(member):
                    self.ledger.add(path, "size", "list", "cut")
                    listed.append(self.marker("list", len(node) - place))
                    return listed
                listed.append(self.fitted(member, (*path, place)))
            self.left += RESERVE - 2
            return listed
        return node

    def marker(self, kind: str, count: int) -> dict[str, Any]:
        return {"$lost": "size", "$type": kind, "$members": count}
