"""`guardrails toxics`: a bad network in front of a service, until it is interrupted."""

from __future__ import annotations

import os
import threading
from typing import Literal

import click

from guardrails.cli.printing import say


@click.command(
    "toxics",
    short_help="A bad network in front of a service.",
    epilog="Example: guardrails toxics 127.0.0.1:6379 --latency 0.2 --end rst --after-bytes 5000",
)
@click.argument("upstream", metavar="HOST:PORT")
@click.option("--port", type=int, default=0, metavar="PORT", help="Where to listen on 127.0.0.1. Default: a free one.")
@click.option("--latency", type=float, default=0.0, metavar="SECONDS", help="All comes so much later.")
@click.option("--jitter", type=float, default=0.0, metavar="SECONDS", help="Up to so much later still, by chance.")
@click.option("--bandwidth", type=float, metavar="BYTES", help="So many a second, in each connection.")
@click.option("--slice-bytes", type=int, metavar="BYTES", help="All comes in pieces of at most so many.")
@click.option("--end", type=click.Choice(["fin", "rst", "hole"]), help="Close, reset, or let nothing more pass.")
@click.option("--after-bytes", type=int, default=0, metavar="BYTES", help="So many come through before the end.")
@click.option("--towards", type=click.Choice(["client", "server", "both"]), default="client", show_default=True)
def command(  # an option is a parameter
    upstream: str,
    port: int,
    latency: float,
    jitter: float,
    bandwidth: float | None,
    slice_bytes: int | None,
    end: Literal["fin", "rst", "hole"] | None,
    after_bytes: int,
    towards: Literal["client", "server", "both"],
) -> None:
    """Pass on what comes to HOST:PORT and back as a bad network does, and print where. Exit status: 0 interrupted,
    2 it cannot be.
    """
    from guardrails.testing.toxics import FaultProxy, Toxic

    toxic = Toxic(latency, jitter, bandwidth, slice_bytes, end, after_bytes, towards)
    try:
        with FaultProxy(upstream, toxic, port=port) as proxy:
            say(f"{proxy.address} -> {upstream}\n")
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    except OSError as exc:
        why = os.strerror(exc.errno or 0)
        raise click.UsageError(f"127.0.0.1:{port} cannot be listened at: {why}") from exc
