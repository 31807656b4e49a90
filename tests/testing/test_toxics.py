"""A bad network in front of a real Redis, a real HTTP server, a model, and bare sockets."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

import httpx
import httpx2
import openai
import pytest
import redis

from guardrails.errors import ConfigError
from guardrails.llm import StreamPolicy, healing_client, last_heal
from guardrails.policies import Budget
from guardrails.testing.faults import FaultServer
from guardrails.testing.stand_in import repeats
from guardrails.testing.toxics import FaultProxy, Toxic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = bytes(range(256)) * 400
SOON = 0.03
PATIENCE = 30.0


class Pages(http.server.BaseHTTPRequestHandler):
    """The standard library's HTTP server; one page, and it stays connected."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        pass


class Speaker(socketserver.BaseRequestHandler):
    """Says the body at once, and then repeats whatever it hears until it hears the end."""

    request: socket.socket

    def handle(self) -> None:
        try:
            self.request.sendall(BODY)
            while heard := self.request.recv(65_536):
                self.request.sendall(heard)
            self.request.sendall(b"the end")
        except ConnectionError:
            pass


@contextlib.contextmanager
def listening(handler: Any) -> Iterator[str]:
    """A server of threads; gives its address."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    with listening(Pages) as address:
        yield address


@pytest.fixture(scope="module")
def speaker() -> Iterator[str]:
    with listening(Speaker) as address:
        yield address


@pytest.fixture
def store(redis_url: str) -> str:
    """The address of a Redis that is empty."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url.removeprefix("redis://").removesuffix("/0")


def client_of(proxy: FaultProxy, **settings: Any) -> redis.Redis:
    return redis.Redis(port=proxy.port, retry=None, **settings)


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)


def heard(connection: socket.socket) -> tuple[bytes, str]:
    """All that comes, and how it ends."""
    told = b""
    try:
        while piece := connection.recv(65_536):
            told += piece
    except ConnectionResetError:
        return told, "rst"
    return told, "fin"


def seconds(call: Callable[[], object]) -> float:
    before = time.monotonic()
    call()
    return time.monotonic() - before


# A good network.


def test_all_goes_through_unchanged_both_ways(store: str) -> None:
    value = BODY * 20
    with FaultProxy(store) as proxy, client_of(proxy) as client:
        client.set("key", value)

        assert client.get("key") == value


def test_end_of_what_one_side_says_is_passed_on_and_the_other_goes_on(speaker: str) -> None:
    with FaultProxy(speaker) as proxy, connected(proxy) as connection:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)

        assert heard(connection) == (BODY + b"hello" + b"the end", "fin")


def test_several_connections_have_the_network_each_for_itself(pages: str) -> None:
    with FaultProxy(pages, Toxic(end="fin", after_bytes=len(BODY) + 1000)) as proxy:
        for _ in range(3):
            with httpx.Client(trust_env=False) as client:
                assert client.get(f"http://{proxy.address}/").content == BODY


# Slow.


def test_latency_delays_each_answer_and_is_changed_on_open_connections(store: str) -> None:
    with FaultProxy(store) as proxy, client_of(proxy) as client:
        client.ping()
        proxy.toxic = Toxic(latency=SOON)
        assert seconds(client.ping) >= SOON
        assert proxy.toxic == Toxic(latency=SOON)
        proxy.toxic = Toxic(latency=SOON, towards="both")
        assert seconds(client.ping) >= 2 * SOON
        proxy.toxic = Toxic(latency=60, towards="server")
        proxy.toxic = None
        assert seconds(client.ping) < 60


def test_jitter_keeps_the_order(speaker: str) -> None:
    with FaultProxy(speaker, Toxic(jitter=0.01, slice_bytes=4096)) as proxy, connected(proxy) as connection:
        connection.shutdown(socket.SHUT_WR)

        assert heard(connection) == (BODY + b"the end", "fin")


def test_jitter_is_another_each_time(store: str) -> None:
    with FaultProxy(store, Toxic(jitter=0.02)) as proxy, client_of(proxy) as client:
        took = sorted(seconds(client.ping) for _ in range(8))

    # Eight draws from 0 to 20 ms that all lie within 1 ms: once in ten million.
    assert took[-1] - took[0] > 0.001


def test_bandwidth_bounds_how_much_comes_in_a_second(speaker: str) -> None:
    bandwidth = 2_000_000
    with FaultProxy(speaker, Toxic(bandwidth=bandwidth)) as proxy, connected(proxy) as connection:
        connection.shutdown(socket.SHUT_WR)
        took = seconds(lambda: heard(connection))

    # The first piece comes at once.
    assert took >= len(BODY) / bandwidth - 0.021


def test_slices_come_one_by_one(speaker: str) -> None:
    with FaultProxy(speaker, Toxic(slice_bytes=1000)) as proxy, connected(proxy) as connection:
        connection.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := connection.recv(65_536):
            pieces.append(piece)

    assert b"".join(pieces) == BODY + b"the end"
    # A reader that is late gets some of them together.
    assert len(pieces) > 5
    assert min(map(len, pieces[:-1])) <= 1000


# Ended.


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("after", [1, 5000, len(BODY)])
def test_connection_ends_after_so_many_bytes(speaker: str, end: Literal["fin", "rst"], after: int) -> None:
    """Also where nothing more is to be said."""
    with FaultProxy(speaker, Toxic(end="hole")) as proxy, connected(proxy) as connection:
        proxy.toxic = Toxic(end=end, after_bytes=after)

        assert heard(connection) == (BODY[:after], end)


def test_client_of_http_sees_what_ended(pages: str) -> None:
    with FaultProxy(pages) as proxy, httpx.Client(trust_env=False) as client:
        seen = []
        for end in ("fin", "rst"):
            proxy.toxic = Toxic(end=end, after_bytes=5000)
            with pytest.raises(httpx.TransportError) as caught:
                client.get(f"http://{proxy.address}/")
            seen.append(type(caught.value))
        proxy.toxic = None

        assert client.get(f"http://{proxy.address}/").content == BODY
    assert seen == [httpx.RemoteProtocolError, httpx.ReadError]


def test_answer_of_a_model_that_the_network_cuts_is_healed() -> None:
    policy = StreamPolicy(budget=Budget(1.0))
    question = " ".join(f"Is there a train to Köln at {hour}:00?" for hour in range(24))
    with (
        FaultServer(repeats) as model,
        FaultProxy(f"127.0.0.1:{model.port}", Toxic(end="rst", after_bytes=25_000)) as proxy,
        openai.OpenAI(
            base_url=f"http://{proxy.address}/v1", api_key="any", http_client=healing_client(httpx2.Client, policy)
        ) as client,
    ):
        messages: Any = [{"role": "user", "content": question}]
        chunks = client.chat.completions.create(model="m", messages=messages, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    assert text == f"You asked: {question}"
    heal = last_heal()
    assert heal is not None
    assert (heal.faults, heal.rungs) == (("connection",), ("resume",))


# A hole.


def test_in_a_hole_nothing_passes_and_afterwards_what_was_held_comes(speaker: str) -> None:
    with FaultProxy(speaker, Toxic(end="hole", after_bytes=100)) as proxy, connected(proxy) as connection:
        told = b""
        while len(told) < 100:
            told += connection.recv(65_536)
        connection.settimeout(SOON)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE)
        proxy.toxic = None
        connection.shutdown(socket.SHUT_WR)

        assert told + heard(connection)[0] == BODY + b"the end"


@pytest.mark.parametrize(("towards", "done"), [("client", b"1"), ("server", None)])
def test_a_hole_towards_the_client_lets_the_server_do_what_it_is_asked(
    store: str, towards: Literal["client", "server"], done: bytes | None
) -> None:
    with FaultProxy(store) as proxy, connected(proxy) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"
        proxy.toxic = Toxic(end="hole", towards=towards)
        connection.sendall(b"SET key 1\r\n")
        connection.settimeout(SOON)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        with redis.Redis(port=int(store.rpartition(":")[2])) as direct:
            until = time.monotonic() + (PATIENCE if done else SOON)
            while direct.get("key") != done and time.monotonic() < until:
                time.sleep(0.005)

            assert direct.get("key") == done


# Down.


def test_refused_and_accepted_again_at_the_same_port(store: str) -> None:
    with FaultProxy(store) as proxy, client_of(proxy) as client:
        port = proxy.port
        client.ping()
        proxy.refuse()
        with pytest.raises(redis.exceptions.ConnectionError):
            client.ping()
        with pytest.raises(ConnectionRefusedError):
            connected(proxy)
        proxy.accept()

        assert client.ping()
        assert proxy.port == port


def test_connection_is_closed_where_nobody_listens_behind() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with FaultProxy(f"127.0.0.1:{nobody.getsockname()[1]}") as proxy, connected(proxy) as connection:
            assert heard(connection) == (b"", "fin")


def test_client_that_leaves_is_told_to_the_server(speaker: str) -> None:
    """Else the server writes for nobody, and the connection is never free."""
    with FaultProxy(speaker, Toxic(bandwidth=100_000)) as proxy:
        with connected(proxy) as connection:
            connection.recv(10)
        before = threading.active_count()
        with connected(proxy) as connection:
            connection.recv(10)
        until = time.monotonic() + PATIENCE
        while threading.active_count() > before and time.monotonic() < until:
            time.sleep(0.01)
        assert threading.active_count() <= before


def test_nothing_is_left_when_it_is_over(speaker: str) -> None:
    with FaultProxy(speaker, Toxic(end="hole")) as proxy, connected(proxy):
        assert [one.name for one in threading.enumerate()].count("guardrails-testing") == 1

    assert "guardrails-testing" not in [one.name for one in threading.enumerate()]
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)


# Mistakes.


def test_every_mistake_of_a_toxic_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        Toxic(latency=-1, jitter=-1, bandwidth=0, slice_bytes=0, end="x", after_bytes=-1, towards="x")  # type: ignore[arg-type]

    told = str(caught.value)
    assert [name for name in Toxic._fields if f"{name}: " not in told] == []


def test_bytes_before_an_end_that_does_not_come_are_a_mistake() -> None:
    with pytest.raises(ConfigError, match='after_bytes: 5, allowed: 0 without an end; write end="fin"'):
        Toxic(after_bytes=5)


@pytest.mark.parametrize("upstream", ["6379", "localhost", "localhost:", ":6379", "localhost:0", "localhost:65536", ""])
def test_address_that_is_none_is_a_mistake(upstream: str) -> None:
    with pytest.raises(ConfigError, match=r'host:port; write "127\.0\.0\.1:6379"'):
        FaultProxy(upstream)


def test_port_that_is_taken_is_an_error(speaker: str) -> None:
    with pytest.raises(OSError, match="address already in use"), FaultProxy(speaker, port=int(speaker.split(":")[1])):
        pass
