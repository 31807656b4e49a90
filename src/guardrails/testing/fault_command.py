"""`python -m guardrails.testing.faults`: the faulty server by hand, until it is interrupted.

    python -m guardrails.testing.faults --wire openai-chat --cut 0.9
    python -m guardrails.testing.faults --error-data e3 --first 2 --port 8080

A place is a share (0.9), a byte (900), so many whole events (e3) or a time after the head (1.5s).
"""

from __future__ import annotations

import argparse
import sys
import threading
from typing import TYPE_CHECKING, Any

from guardrails.errors import ConfigError
from guardrails.testing.fault_plans import Fault
from guardrails.testing.fault_wires import PATHS
from guardrails.testing.faults import TEXT, FaultServer

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACED = ("cut", "fin", "rst", "stall", "ping_stall", "error_event", "error_data", "garbage", "truncated", "duplicate")
PLAIN = ("error_first", "linger", "slow", "h529", "html", "wrong_type", "hang_up", "never")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit status: 0, or 2 for what cannot be served."""
    arguments = parser()
    options = arguments.parse_args(argv)
    try:
        fault = chosen(options)
        plan = [fault] * options.first
        server = FaultServer(
            options.text, fault=None if options.first else fault, plan=plan, pace=options.pace, port=options.port
        )
        with server:
            paths = [path for path, wire in PATHS.items() if options.wire in ("", wire)]
            for path in paths:
                sys.stdout.write(f"{server.url}{path if path.startswith('/api') else '/v1' + path}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    except (ConfigError, OSError) as exc:
        arguments.error(str(exc))
    return 0


def chosen(options: argparse.Namespace) -> Fault | None:
    """The fault that the command line says."""
    for kind in PLACED:
        place = getattr(options, kind)
        if place is not None:
            make: Any = getattr(Fault, kind)
            fault: Fault = make(**place)
            return fault
    if options.status is not None:
        return Fault.status(options.status, options.retry_after)
    plain = next((kind for kind in PLAIN if getattr(options, kind)), None)
    return None if plain is None else getattr(Fault, plain)()


def _place(text: str) -> dict[str, float]:
    """A place in the body, as `Fault` takes it."""
    if text.startswith("e"):
        return {"at_event": int(text[1:])}
    if text.endswith("s"):
        return {"at_time": float(text[:-1])}
    return {"at": float(text)} if "." in text else {"at_byte": int(text)}


def parser() -> argparse.ArgumentParser:
    """What the command line may say."""
    made = argparse.ArgumentParser(
        prog="python -m guardrails.testing.faults",
        description="Speak as LLM providers do, and fail as told. PLACE: 0.9 (share), 900 (byte), e3 (events), 1.5s.",
        epilog="Example: python -m guardrails.testing.faults --wire anthropic --cut 0.9",
    )
    made.add_argument("--wire", default="", choices=sorted(PATHS.values()), help="print the address of this one only")
    made.add_argument("--text", default=TEXT, help="what the model says")
    made.add_argument("--port", type=int, default=0, help="default: a free one")
    made.add_argument("--pace", type=float, default=0.0, metavar="SECONDS", help="between two events")
    made.add_argument("--first", type=int, default=0, metavar="N", help="only the first N requests go wrong")
    made.add_argument("--retry-after", type=float, metavar="SECONDS", help="with --status")
    faults = made.add_mutually_exclusive_group()
    for kind in PLACED:
        text = (getattr(Fault, kind).__doc__ or "").partition(".")[0]
        faults.add_argument(f"--{kind.replace('_', '-')}", type=_place, metavar="PLACE", help=text)
    faults.add_argument("--status", type=int, metavar="CODE", help="an error status")
    for kind in PLAIN:
        text = (getattr(Fault, kind).__doc__ or "").partition(".")[0]
        faults.add_argument(f"--{kind.replace('_', '-')}", action="store_true", help=text)
    return made
