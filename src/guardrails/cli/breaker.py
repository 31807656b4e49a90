"""`guardrails breaker`: the circuits of a running process, by the address at which it shows them.

The process serves it by `GuardMiddleware(app, state_path="/guardrails/state")`, and obeys with `control=True`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from guardrails.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# `disabled` and `shadow` admit calls: somebody wanted that.
TROUBLED = ("open", "half-open", "isolated")
TIMEOUT = 5.0

_url = click.option("--url", required=True, metavar="URL", help="Where the state is shown: …/guardrails/state.")
_format = click.option("--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True)
_secret = click.option(
    "--secret-file",
    "secret",
    type=click.File(encoding="utf-8"),
    required=True,
    metavar="FILE",
    help="Holds the shared secret; - reads it from stdin. Not an option: others could see it in the list of processes.",
)


@click.group(
    "breaker",
    short_help="Show and hold the circuits of a running process.",
    epilog="Example: guardrails breaker list --url http://127.0.0.1:8000/guardrails/state",
)
def command() -> None:
    """Show and hold the circuits of a running process. Behind several workers you reach one: its pid is shown."""


@command.command(
    "list",
    short_help="All guards of the process.",
    epilog="Example: guardrails breaker list --url http://127.0.0.1:8000/guardrails/state",
)
@_url
@_format
def list_guards(url: str, form: str) -> None:
    """All guards of the process. Exit status: 0 all admit calls, 1 one does not, 2 usage, 3 could not find out."""
    state = _state(url)
    _show(state, state["guards"], url, form)


@command.command(
    "show",
    short_help="One guard, in full.",
    epilog="Example: guardrails breaker show search --url http://127.0.0.1:8000/guardrails/state",
)
@click.argument("name")
@_url
@_format
def show(name: str, url: str, form: str) -> None:
    """The guards called NAME, or both of the dependency NAME, in full.

    Exit status: 0 it admits calls, 1 it does not, 2 usage (no such guard), 3 could not find out.
    """
    state = _state(url)
    # A dependency is two guards.
    called = (name, f"{name}.read", f"{name}.write")
    found = [guard for guard in state["guards"] if guard["name"] in called]
    if not found:
        names = ", ".join(sorted({guard["name"] for guard in state["guards"]})[:20]) or "none"
        raise click.UsageError(_clean(f"no guard {name!r} in process {state['pid']}; there are: {names}"))
    _show(state, found, url, form, full=True)


@command.command(
    "isolate",
    short_help="Let a guard reject every call.",
    epilog="Example: guardrails breaker isolate search --reason INC-7 --secret-file secret.txt --url http://…/state",
)
@click.argument("name")
@click.option("--reason", required=True, help="What whoever is rejected reads.")
@_secret
@_url
def isolate(name: str, reason: str, secret: Any, url: str) -> None:
    """Let the guards called NAME, or both of the dependency NAME, reject every call, until released. Only the process
    that answers obeys.

    Exit status: 0 done, 2 usage (no such guard, wrong secret, control is off), 3 could not find out.
    """
    _control(url, secret, {"guard": name, "action": "isolate", "reason": reason})


@command.command(
    "release",
    short_help="End an isolation or an open time.",
    epilog="Example: guardrails breaker release search --secret-file secret.txt --url http://…/state",
)
@click.argument("name")
@click.option("--reason", default="", help="Stands in the log of transitions.")
@_secret
@_url
def release(name: str, reason: str, secret: Any, url: str) -> None:
    """Let the guards called NAME try calls again. Exit status as for isolate."""
    _control(url, secret, {"guard": name, "action": "release", "reason": reason})


def _state(url: str) -> dict[str, Any]:
    status, said = _ask(url, lambda httpx: httpx.get(url, timeout=TIMEOUT))
    guards = said.get("guards")
    whole = isinstance(guards, list) and all(
        isinstance(guard, dict) and isinstance(guard.get("circuit"), dict) and "name" in guard for guard in guards
    )
    if status != 200 or not whole or "pid" not in said:
        _unknown(f"{url} answered {status}, and no state of guards: is it the state_path of GuardMiddleware?")
    return said


def _control(url: str, secret: Any, query: dict[str, str]) -> None:
    # What ends the file is no part of it.
    headers = {"authorization": f"Bearer {secret.read().strip()}"}
    status, said = _ask(url, lambda httpx: httpx.post(url, params=query, headers=headers, timeout=TIMEOUT))
    if status in (400, 401, 403, 404, 405):
        hint = {401: "is the secret right?", 405: "is control=True set?"}.get(status, "")
        raise click.UsageError(_clean(f"{url} answered {status}: {said.get('detail', '')} {hint}".strip()))
    if status != 200 or "states" not in said:
        _unknown(f"{url} answered {status}: whether it has obeyed is not known")
    say(_clean(f"{query['guard']} is {', '.join(said['states'])} in process {said['pid']}") + "\n")


def _ask(url: str, ask: Callable[[Any], Any]) -> tuple[int, dict[str, Any]]:
    """Status and answer; of what is no JSON object, an empty one."""
    import httpx

    try:
        answer = ask(httpx)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as exc:
        raise click.UsageError(_clean(f"--url {url}: {exc}")) from exc
    except (httpx.TransportError, UnicodeEncodeError) as exc:
        _unknown(f"{url} did not answer: {type(exc).__name__}: {exc}")
    try:
        said = answer.json()
    except ValueError:
        said = None
    return answer.status_code, said if isinstance(said, dict) else {}


def _unknown(why: str) -> NoReturn:
    click.echo(_clean(f"COULD NOT FIND OUT  {why}"), err=True)
    sys.exit(3)


def _show(state: dict[str, Any], guards: list[Any], url: str, form: str, *, full: bool = False) -> NoReturn:
    troubled = [guard for guard in guards if guard["circuit"].get("state") in TROUBLED]
    if form == "json":
        import json

        say(json.dumps({**state, "guards": guards, "exit_code": int(bool(troubled))}, indent=2) + "\n")
    else:
        say("".join(f"{_clean(line)}\n" for line in _lines(state, guards, troubled, url, full=full)))
    sys.exit(int(bool(troubled)))


def _lines(state: dict[str, Any], guards: list[Any], troubled: list[Any], url: str, *, full: bool) -> Iterator[str]:
    for guard in sorted(guards, key=lambda guard: (guard not in troubled, str(guard["name"]))):
        circuit = guard["circuit"]
        line = f"{circuit.get('state')!s:<10} {guard['name']}"
        if guard in troubled:
            after = circuit.get("retry_after")
            step = f"; a trial call in {after:.1f} s" if isinstance(after, float | int) and after else ""
            last = f"; last: {guard['last']}" if guard.get("last") else ""
            line += f"  ({circuit.get('reason')}{last}{step})"
        yield line
        if full:
            shown = {**circuit, **{key: value for key, value in guard.items() if key not in ("name", "circuit")}}
            yield from (f"  {key:<18} {'-' if value is None else value}" for key, value in shown.items())
    verdict = f"FAILED  {len(troubled)} of {len(guards)} do not admit all calls" if troubled else "PASSED"
    yield f"{verdict}  {len(guards)} shown · process {state['pid']} of {url}"


def _clean(text: str) -> str:
    from guardrails.mdtext import visible
    from guardrails.redact import redacted

    return visible(redacted(text))
