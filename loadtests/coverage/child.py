"""The process in which an encoder meets the kinds: `python -m loadtests.coverage.child CALL FILE`.

Reads the name of a kind a line, leaves the output in FILE, and answers with one line of JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import warnings
from pathlib import Path

# An encoder that reads a generator without end must not take the memory of the machine.
MOST_BYTES = 3 * 1024**3


def main(call: str, file: Path) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows; macOS keeps its own limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        # What a library prints must not be taken for an answer.
        os.dup2(nowhere.fileno(), 1)
    from loadtests.coverage.kinds import KINDS

    module, _, name = call.partition(":")
    encode = getattr(importlib.import_module(module), name)
    encode({"k": "warm"})
    with contextlib.suppress(Exception):
        # What an encoder imports for its first odd value is not the fault of that value.
        encode({"k": object()})
    answers.write('{"ready": true}\n')
    for line in sys.stdin:
        payload = {"k": KINDS[line.strip()].make()}
        answers.write('{"made": true}\n')
        try:
            data, reported = encode(payload)
            file.write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
            answer = {"reported": reported}
        except BaseException as exc:  # noqa: BLE001 - whatever it raises is the result
            answer = {"raised": type(exc).__name__}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
