# ruff: noqa: INP001 - a file of checks is no package
"""Checks to copy: a service that must answer, a port that must be open, a disk that must have room.

Copy what you need to `checks/` of your project and name it: `plugins = ["checks/*.py"]` in `[tool.guardrails]`.
"""

import shutil
import socket
from urllib.parse import urlsplit

from guardrails.preflight import Answer, Context, check, fail, ok, skip

LEAST_FREE_BYTES = 500_000_000


@check("memory.health", group="readiness", timeout=5, retry_for=30)
async def memory_is_healthy(ctx: Context) -> Answer:
    """Without its memory the agent answers as if it had never met the user."""
    url = ctx.environ.get("MEMORY_URL")
    if not url:
        return skip("MEMORY_URL is not set")
    # What the client raises becomes a failure by itself: refused, timed out, no such host.
    response = await ctx.ahttp.get(f"{url}/health")
    if response.is_success:
        return ok(status=response.status_code, latency=f"{response.elapsed.total_seconds():.3f} s")
    return fail(
        f"{url}/health answered {response.status_code}",
        fix="Restart the memory service, or correct MEMORY_URL.",
        verify='curl -f "$MEMORY_URL/health"',
    )


@check("broker.port", timeout=3, retry_for=30)
def broker_is_open(ctx: Context) -> Answer:
    """A worker that starts before its broker gives up, and nobody starts it again."""
    url = ctx.environ.get("BROKER_URL")
    if not url:
        return skip("BROKER_URL is not set")
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "localhost", parts.port or 6379), timeout=2).close()
    except OSError as exc:
        return fail(f"{parts.hostname}:{parts.port} is not open: {exc}", fix="Start the broker, or correct BROKER_URL.")
    return ok()


@check("disk.room", severity="warning")
def disk_has_room(ctx: Context) -> Answer:
    """Logs and uploads stop when the disk is full, and SQLite with them."""
    free = shutil.disk_usage(ctx.project).free
    if free < LEAST_FREE_BYTES:
        return fail(f"{free:,} bytes are free", fix="Delete old logs and images, or enlarge the volume.")
    return ok(free_bytes=free)
