"""Real servers for the hosts' tests: uvicorn on a free port of 127.0.0.1, in a thread."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """The `host:port` at which uvicorn serves `app` until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    # A client that has gone without a word must not keep it.
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "uvicorn ended before it served"
            assert time.monotonic() < until, "uvicorn did not start in 20 s"
            time.sleep(0.01)
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()
    where = sys._current_frames().get(thread.ident or 0)
    assert not thread.is_alive(), "uvicorn did not end in 60 s:\n" + "".join(traceback.format_stack(where))


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Any], str]]:
    """Starts a server for an ASGI application and returns its `host:port`; all end with the session."""
    with contextlib.ExitStack() as stack:
        yield lambda app: stack.enter_context(serving(app))
