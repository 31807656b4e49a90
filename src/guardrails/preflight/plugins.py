"""What a project writes its own checks with: `@check` on a function that answers `ok()`, `fail()` or `skip()`.

    @check("memory.writable", timeout=5, retry_for=30)
    async def memory_accepts_writes(ctx):
        "Chats without memory answer nonsense."            <- the `why` of its finding
        answer = await ctx.ahttp.post(ctx.environ["MEMORY_URL"] + "/items", json={"t": 1})
        return ok() if answer.is_success else fail(f"write refused: {answer.status_code}", fix="restart memory-api")

The function stays what it is, so that a test of the project can call it. Who runs it: `own_checks`.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from guardrails.preflight.known_secrets import secret_values
from guardrails.redact import Redactor

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any, Literal, TypeVar

    import httpx

    Function = Callable[["Context"], "Answer | Awaitable[Answer]"]
    F = TypeVar("F", bound=Callable[..., Any])

# Below the hard limit, so that a client gives up and says at what, before the check is killed and says nothing.
HTTP_SHARE = 0.8


class Answer(NamedTuple):
    """What a check found out. Made by `ok`, `fail` and `skip`; `error` says that it found out nothing."""

    status: Literal["passed", "failed", "skipped", "error"]
    reason: str = ""
    fix: str = ""
    why: str = ""
    verify: str = ""


def ok(note: str = "", /, **facts: object) -> Answer:
    """All is well. `note` and `facts` (`latency=0.2`) are recorded."""
    said = ", ".join(f"{name}={value}" for name, value in facts.items())
    return Answer("passed", "; ".join(text for text in (note, said) if text))


def fail(reason: str, *, fix: str = "", why: str = "", verify: str = "") -> Answer:
    """Something is wrong: `reason` says what, with the numbers.

    `fix`: what to do about it; without one the finding says that the check names none. `why`: why it hurts;
    default the docstring of the check. `verify`: a command that proves the fix; default one that runs this check.
    """
    return Answer("failed", reason, fix, why, verify)


def skip(reason: str) -> Answer:
    """The check does not apply here. Printed as skipped, never as passed; what needs it is skipped as well."""
    return Answer("skipped", reason)


class Context:
    """What a check is given.

    `project`: the folder of the project. `environ`: the environment that the gate was started in. `timeout`: seconds
    until the check is killed. `http` and `ahttp`: an HTTP client for a `def` and for an `async def`, made at first
    use, which gives up a little before that. In a test of the project: `Context(Path("."), {"MEMORY_URL": url})`.
    """

    def __init__(self, project: Path, environ: Mapping[str, str], timeout: float = 10.0) -> None:
        self.project = project
        self.environ = environ
        self.timeout = timeout

    @cached_property
    def http(self) -> httpx.Client:
        """A client for functions: one of httpx, whose `verify` and proxies come from the environment as usual."""
        import httpx

        return httpx.Client(timeout=self.timeout * HTTP_SHARE, verify=self.certificates)

    @cached_property
    def ahttp(self) -> httpx.AsyncClient:
        """A client for coroutine functions."""
        import httpx

        return httpx.AsyncClient(timeout=self.timeout * HTTP_SHARE, verify=self.certificates)

    @cached_property
    def certificates(self) -> ssl.SSLContext:
        """What both clients trust. Loading it costs more than a request, so checks that run together share it."""
        import httpx

        return httpx.create_ssl_context()

    @cached_property
    def redactor(self) -> Redactor:
        """Knows the secrets of the environment by their values too."""
        return Redactor(values=secret_values(self.environ.items()))

    def redact(self, text: str) -> str:
        """The text without secrets. All that a check answers goes through here; use it for what you log yourself."""
        return self.redactor.text(text)

    def lasting(self, timeout: float) -> Context:
        """The same with another limit."""
        other = Context(self.project, self.environ, timeout)
        # What is made already is shared; clients are not, because they know the limit.
        shared = ("certificates", "redactor")
        other.__dict__.update({name: self.__dict__[name] for name in shared if name in self.__dict__})
        return other


class OwnCheck(NamedTuple):
    """A function that was marked with `@check`, with what was said there: still to be judged."""

    id: str
    function: Function
    group: str
    needs: tuple[str, ...]
    timeout: float
    retry_for: float
    severity: str
    path: str
    line: int


# All that `@check` has marked in this process.
registered: list[OwnCheck] = []


def check(
    name: str,
    /,
    *,
    group: str = "startup",
    needs: Sequence[str] = (),
    timeout: float = 10.0,
    retry_for: float = 0.0,
    severity: str = "error",
) -> Callable[[F], F]:
    """Make a check of a function that takes a `Context` and returns an answer; `def` or `async def`.

    `name`: its id, unique in the project: small letters, digits, `_`, `-` and `.`. `group`: what it can be selected
    by, besides its id. `needs`: ids of checks that must have passed; it is skipped when one has not. `timeout`:
    seconds until one attempt is killed; above 0, at most 600, default 10: a slow network, and still a person waits.
    `retry_for`: seconds for which it is repeated until it passes; 0 to 3600, default 0. `severity`: `error` (default)
    fails the gate; `warning` makes it optional; `info` only tells.

    Mistakes are reported when the gate loads the file, all at once.
    """
    listed = (needs,) if isinstance(needs, str) else tuple(needs)

    def mark(function: F) -> F:
        from inspect import unwrap

        code = getattr(unwrap(function), "__code__", None)
        caller = sys._getframe(1)
        path, line = (code.co_filename, code.co_firstlineno) if code else (caller.f_code.co_filename, caller.f_lineno)
        registered.append(OwnCheck(name, function, group, listed, timeout, retry_for, severity, path, line))
        return function

    return mark
