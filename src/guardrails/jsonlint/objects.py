"""An object of the user's code, looked through in a process of its own: a crash, a hang or noise stays there."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from guardrails.jsonlint.findings import MOST_FINDINGS, Finding, Outcome

# reason -> what was there, what to do
REASONS = {
    "nan": ("NaN or infinity, which JSON does not have", "replace it with None where it is computed"),
    "opaque": ("an object that nobody described", "jsonsafe.register(TYPE, encode), or pass its fields"),
    "raised": ("code of the value failed while it was read", "read it in a console: a property or an encoder raises"),
    "cycle": ("a container that holds itself", "send an id in the place of the way back"),
    "depth": ("more containers within containers than are written", "flatten it"),
    "size": ("too long, too many or too large", "send it in parts, or send where it can be fetched"),
    "surrogate": ("half of a surrogate pair, which UTF-8 cannot hold", "cut text between characters where it is made"),
    "nul": ("U+0000, which PostgreSQL's jsonb refuses", "remove it where the text is made"),
    "key": ("two keys that become the same name", "use keys that differ as text"),
    "unloaded": ("a column that the row has not loaded", "load it in the query, or send the columns that you need"),
}
INSTEAD = {
    "null": "null",
    "marker": "the marker that names the reason and the type",
    "attributes": "its attributes, but those that begin with _",
    "cut": "its beginning",
    "escaped": "the escape, as text",
    "renamed": "the value, under the name with a number",
    "omitted": "nothing; a list of the names",
}


class Source(NamedTuple):
    """Where the object is. `file`: None when it was named by module. `package`: the file has a dotted name."""

    file: Path | None
    module: str
    object: str
    package: bool
    paths: tuple[str, ...]
    paths_behind: tuple[str, ...]


def source_of(file: Path | None, module: str, name: str) -> Source:
    """As `python FILE.py` finds modules: the folder of the file first, then the folder where the command is called.

    A file in a package is imported by its dotted name, so that its relative imports work; its own folder comes
    last then, where it can shadow no library.
    """
    here = str(Path.cwd())
    if file is None:
        return Source(None, module, name, package=True, paths=(here,), paths_behind=())
    file = file.resolve()
    root, names = file.parent, [] if file.stem == "__init__" else [file.stem]
    while (root / "__init__.py").is_file() and root.name.isidentifier():
        names.insert(0, root.name)
        root = root.parent
    package = root != file.parent
    behind = (str(file.parent),) if package else ()
    return Source(file, ".".join(names) or file.stem, name, package, tuple(dict.fromkeys((str(root), here))), behind)


class NoSuchObject(LookupError):
    """There is no such object, or it cannot be had without arguments; the message says what to write instead."""


def lint_object(source: Source, profile: str, limit: float) -> Outcome:
    """What JSON cannot keep of the object. Raises NoSuchObject where there is no such object.

    `limit`: seconds for the import, the call and the look together.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="guardrails-") as folder:
        answer = Path(folder, "answer")
        request = {
            "answer": str(answer),
            "home": str(Path(__file__).resolve().parents[2]),
            "most": MOST_FINDINGS,
            "profile": profile,
            **source._asdict(),
            "file": None if source.file is None else str(source.file),
        }
        status, printed = run(request, limit)
        lines = answer.read_text("utf-8").splitlines() if answer.exists() else []
    outcome = understood([json.loads(line) for line in lines if line.endswith("}")], status, limit)
    if printed:
        note = f"its code printed {printed:,} byte{'s' * (printed != 1)}, which are not shown"
        outcome = outcome._replace(notes=(*outcome.notes, note))
    return outcome


def run(request: dict[str, Any], limit: float) -> tuple[int | None, int]:
    """The child's exit status, None if it did not end in time, and how many bytes it printed."""
    import subprocess

    from guardrails.jsonlint import child

    read, write = os.pipe()
    printed = [0]

    def drain() -> None:
        while part := os.read(read, 1 << 16):
            printed[0] += len(part)

    # -P: no folder of ours first on sys.path. -B: a lint leaves nothing behind.
    process = subprocess.Popen(
        [sys.executable, "-P", "-B", child.__file__, json.dumps(request)],
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=write,
        start_new_session=True,  # a group to kill
    )
    os.close(write)
    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    status: int | None
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        # Also after its end: what it started goes with it.
        kill_group = getattr(os, "killpg", None)  # absent on Windows
        if kill_group is None:
            process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                kill_group(process.pid, 9)
        process.wait()
    # What left the group keeps the pipe open, and is not waited for.
    thread.join(1.0)
    return status, printed[0]


def understood(said: list[dict[str, Any]], status: int | None, limit: float) -> Outcome:
    last = said[-1] if said else {}
    if "entries" in last:
        return _outcome(last)
    if "refused" in last:
        raise NoSuchObject(last["refused"])
    phase = next((line["phase"] for line in reversed(said) if "phase" in line), None)
    if phase is None:
        return Outcome(unknown=f"the process that looks at it did not begin (status {status})")
    if "crash" in last:
        return _crashed(last["crash"], phase)
    if status is None:
        return Outcome(unknown=f"it did not end within {limit:g} s while it was {phase}: see --timeout")
    message = f"its code ended the process with {_ended(status)} while it was {phase}"
    return Outcome((Finding("$", "crashed", message, "run it with python -X faulthandler: what ends it is shown"),))


def _crashed(crash: dict[str, Any], phase: str) -> Outcome:
    detail = f": {crash['detail']}" if crash["detail"] else ""
    place = f", at {_near(crash['place'][0])}:{crash['place'][1]}" if crash["place"] else ""
    if phase == "looked through" and crash["ours"]:
        return Outcome(unknown=f"the encoder failed with {crash['type']}: a fault of guardrails, please report it")
    message = f"its code failed while it was {phase}{place}{detail}"
    return Outcome((Finding("$", "crashed", message, "run it with python: the traceback is shown", crash["type"]),))


def _near(path: str) -> str:
    """Relative to where the command is called, if it lies below."""
    here = Path.cwd().resolve()
    found = Path(path)
    return str(found.relative_to(here)) if found.is_relative_to(here) else path


def _ended(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    import signal

    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"


def _outcome(said: dict[str, Any]) -> Outcome:
    """Neither a masked secret nor a deadline is a finding: one is the profile's work, one depends on the machine."""
    findings = []
    for path, reason, kind, action in said["entries"]:
        message, fix = REASONS[reason]
        findings.append(Finding(path, reason, message, fix, kind, INSTEAD[action]))
    notes: tuple[str, ...] = ()
    count = said["masked_count"]
    if count:
        notes = (f"masked as secrets, {count:,}: {', '.join(said['masked'])}{' …' * (count > len(said['masked']))}",)
    late = said["late"]
    unknown = f"the time that this profile gives one message ran out at {late[0]}" if late else None
    return Outcome(tuple(findings), said["omitted"], notes, unknown)
