"""A caller for the tests of the matrix: it is told the answer, or does as its argument says.

    python -m tests.loadtests.matrix_caller hangs | dies | raises | half | wrong

Each but "wrong" tells all of an answer that is whole.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

from loadtests.matrix.callers.serving import Job, serve
from loadtests.matrix.cells import TEXT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def text(job: Job) -> str:
    """What the server says; "" where it is cut."""
    asked = urllib.request.Request(
        f"{job.url}/api/chat",
        data=b'{"model": "m", "stream": false, "messages": [{"role": "user", "content": "Hello?"}]}',
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        body = answer.read()
    try:
        return str(json.loads(body)["message"]["content"])
    except ValueError:
        return ""


def speak(job: Job) -> Iterator[str]:
    does = sys.argv[1]
    print("what a library prints")
    if does == "wrong":
        raise LookupError("set up wrongly")
    whole = text(job)
    if whole:
        yield whole
        return
    yield TEXT[:99]
    if does == "hangs":
        time.sleep(600)
    if does == "dies":
        os._exit(3)
    if does == "raises":
        raise ValueError("mine")


async def aspeak(job: Job) -> AsyncIterator[str]:
    for piece in speak(job):
        yield piece


if __name__ == "__main__":
    serve(speak, aspeak, lambda error: isinstance(error, ValueError), "caller 1.0")
