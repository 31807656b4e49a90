"""Where a stream may be asked for: an endpoint, the wire that it speaks, and a model.

Target("https://api.anthropic.com", wire="anthropic", model="claude-sonnet-4-5", api_key=key)
Target("https://api.deepseek.com/beta", model="deepseek-chat", api_key=key)        the wire of most: openai-chat
Target("http://127.0.0.1:11434", wire="ollama", model="qwen3", extra={"options": {"num_ctx": 16384}})
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from guardrails.core.ranges import Checked, Ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.core.completeness_wires import Wire

# What an endpoint's path is, below what the user has named; and what comes before it where he has named a host alone.
PATHS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "openai-chat": ("/v1", "/chat/completions"),
        "openai-responses": ("/v1", "/responses"),
        "anthropic": ("/v1", "/messages"),
        "ollama": ("/api", "/chat"),
    }
)
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class _Fields(NamedTuple):
    url: str
    wire: Wire = "openai-chat"
    model: str = ""
    api_key: str = ""
    headers: Mapping[str, str] = NOTHING
    extra: Mapping[str, Any] = NOTHING


class Target(Checked, _Fields):
    """One model at one provider.

    `url`: what the provider's own client takes as its base: with or without `/v1`; where there is another path, the
    endpoint's is put behind it (`https://openrouter.ai/api/v1`).
    `wire`: what it speaks: "openai-chat", the default (also vLLM, llama.cpp, Groq, DeepSeek, Mistral, OpenRouter),
    "openai-responses", "anthropic" or "ollama". `model`: its name there; "" for a server that has only one.
    `api_key`: sent as the wire wants it; "" for a server that wants none. Never shown.
    `headers`: sent besides, and before ours: for gateways with a key of their own. Only their names are shown.
    `extra`: fields of the request's body that only this provider knows, such as {"reasoning_effort": "low"}.

    Raises ConfigError, a ValueError, that lists every mistake.
    """

    __slots__ = ()

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        # Not shown: a name and a password may stand in it.
        parts = urlsplit(str(self.url))
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        shown = f"{parts.scheme}://{parts.hostname or ''}"
        ranges.demand(good, "url", shown, "an address with http:// or https://", 'write "https://api.anthropic.com"')
        ranges.demand(self.wire in PATHS, "wire", self.wire, ", ".join(PATHS), "choose what the server speaks")
        model: object = self.model
        ranges.demand(isinstance(model, str), "model", model, "a text", "write the model's name")
        key: object = self.api_key
        # Not the value: it is a secret, if perhaps of a wrong kind. Headers take no others.
        good = isinstance(key, str) and key.isascii() and key.isprintable()
        fix = "read it from the environment, without the line's end"
        ranges.demand(good, "api_key", type(key).__name__, "a text in plain ASCII", fix)
        for name, said in (("headers", self.headers), ("extra", self.extra)):
            good = isinstance(said, dict | MappingProxyType) and all(isinstance(one, str) for one in said)
            ranges.demand(good, name, type(said).__name__, "a dict with texts as keys", "write {…}")

    def __repr__(self) -> str:
        secret = ", api_key=…" if self.api_key else ""
        more = f", headers={sorted(self.headers)}" if self.headers else ""
        extra = f", extra={dict(self.extra)}" if self.extra else ""
        return f"Target({self.host!r}, wire={self.wire!r}, model={self.model!r}{secret}{more}{extra})"

    __str__ = __repr__

    @property
    def host(self) -> str:
        """The host, with its port where one was named."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def endpoint(self) -> str:
        """The address that a request is sent to."""
        base, path = PATHS[self.wire]
        parts = urlsplit(self.url)
        named = parts.path.rstrip("/")
        if not named.endswith(path):
            # Anthropic's and Ollama's clients are given the host, behind a gateway a path before it.
            missing = not named or (self.wire in ("anthropic", "ollama") and not named.endswith(base))
            named += base + path if missing else path
        return parts._replace(path=named).geturl()
