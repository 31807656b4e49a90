"""What is alive in this process, held weakly: a guard that nobody uses any more is forgotten."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

T = TypeVar("T")


class Living(Generic[T]):
    """Objects in the order in which they were made, for as long as somebody else holds them."""

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[T]] = {}

    def add(self, one: T) -> None:
        """Remember `one`, weakly."""
        key = id(one)
        references = self._references

        def forget(reference: weakref.ref[T]) -> None:
            # Another object may live at the address by now.
            if references.get(key) is reference:
                del references[key]

        references[key] = weakref.ref(one, forget)

    def all(self) -> list[T]:
        """Those that are alive."""
        # One call into C: another thread may add or forget meanwhile.
        references = list(self._references.values())
        return [one for one in (reference() for reference in references) if one is not None]
