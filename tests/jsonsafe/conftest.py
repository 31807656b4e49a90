"""What the encoder counts during one test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardrails import hooks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Counted = list[tuple[str, float, dict[str, str]]]


@pytest.fixture
def counted() -> Iterator[Counted]:
    heard: Counted = []

    def note(name: str, value: float, labels: Mapping[str, str]) -> None:
        heard.append((name, value, dict(labels)))

    stop = hooks.listen(note)
    yield heard
    stop()
