"""What the tests of the gate share."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import pytest

from guardrails.source import extract, workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class InProcess:
    """Answers as a worker does, without the process: hundreds of small projects would start hundreds of them."""

    def __init__(self, executable: str, feature: tuple[int, int] | None) -> None:
        self.feature = feature

    def answers(self, base: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a worker's go nowhere, either
                facts = extract.extract((base / name).read_bytes(), self.feature)
            yield name, json.dumps(facts, separators=(",", ":")).encode()

    def end(self) -> int:
        return 0


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "Worker", InProcess)
