"""How the tests read what was written: as strictly as any reader may be."""

from __future__ import annotations

import json
from typing import Any

from guardrails import jsonsafe


def strictly(data: bytes) -> Any:
    """What a strict reader of RFC 8259 and I-JSON takes `data` for."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), "a name stands there twice"
        return dict(pairs)

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    tree = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    json.dumps(tree, ensure_ascii=False).encode("utf-8")
    return tree


def both(value: Any, **options: Any) -> tuple[Any, list[str]]:
    """The tree and the reasons, which both lanes must agree on."""
    first, second = (jsonsafe.encode(value, shared=shared, **options) for shared in (False, True))
    tree = strictly(first.data)
    assert (tree, first.report) == (strictly(second.data), second.report)
    return tree, [entry.reason for entry in first.report.entries]
