"""Checks that a project wrote: twenty probes of a second each, side by side, and how soon one that hangs is killed.

Time on the clock, not CPU: this is what somebody waits for who starts a container.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loadtests.bench.harness import Figure, Process, printed

if TYPE_CHECKING:
    from pathlib import Path

SERVER = """
import asyncio

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    await asyncio.sleep(1)
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
PROBES = """
from guardrails.preflight import check, fail, ok

for number in range(20):
    @check(f"probe.{number}")
    async def probe(ctx):
        response = await ctx.ahttp.get(ctx.environ["PROBED"])
        return ok() if response.is_success else fail("no")
"""
HANGS = """
import signal, time
from guardrails.preflight import check

@check("hangs", timeout=1)
def hangs(ctx):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)
"""
TIMED = """
import os, subprocess, sys, time, urllib.request
from pathlib import Path
from guardrails.preflight.own_checks import OwnChecks

def timed(file, statuses):
    own = OwnChecks()
    begun = time.monotonic()
    own.run(Path("."), [file])
    spent = time.monotonic() - begun
    assert [result.status for result in own.results] == statuses, own.results
    return own.results[0].duration if statuses == ["error"] else spent

if sys.argv[1] == "hangs":
    print(timed("hangs.py", ["error"]))
else:
    server = subprocess.Popen([sys.executable, "server.py"], stdout=subprocess.PIPE, text=True)
    os.environ["PROBED"] = f"http://127.0.0.1:{server.stdout.readline().strip()}/"
    try:
        if sys.argv[1] == "one":
            begun = time.monotonic()
            urllib.request.urlopen(os.environ["PROBED"]).read()
            print(time.monotonic() - begun)
        else:
            print(timed("probes.py", ["passed"] * 20))
    finally:
        server.kill()
        server.wait()
"""


def probed_project(folder: Path) -> str:
    for name, text in {"server": SERVER, "probes": PROBES, "hangs": HANGS, "timed": TIMED}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return "The probed project holds 20 checks that ask a server of its own, which answers after a second."


def timed(name: str, what: str) -> Process:
    argv = (sys.executable, "timed.py", what)
    return Process(name=name, argv=argv, project=probed_project, reads=printed)


FIGURES = [
    Figure(
        id="checks-probes",
        what="20 HTTP probes of 1 s each, from the start of their processes to the last answer, on the clock",
        target=1.5,
        ours=timed("20 checks", "probes"),
        baseline=timed("one such request by urllib", "one"),
        rounds=9,
    ),
    Figure(
        id="checks-hang",
        what="seconds until a check with a limit of 1 s that ignores SIGTERM is dead",
        target=0.5,
        compare="difference",
        ours=timed("a check that hangs", "hangs"),
        baseline=Process(name="its limit", argv=(sys.executable, "-c", "print(1.0)"), reads=printed),
        rounds=9,
    ),
]
