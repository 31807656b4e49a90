"""Repositories for the tests: real git, far from this machine's settings, or a stream for `git fast-import`."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from guardrails.reports.repository import open_repository
from guardrails.reports.sources import gather

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOW = 1_780_000_000.0  # 2026-05-28T20:26:40Z
DAY = 86_400
WHO = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(cwd: Path, *argv: str, data: bytes | None = None, **env: str) -> bytes:
    """The user's own git, far from this machine's settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **WHO, **env}
    settings = ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *settings, *argv], cwd=cwd, env=clean, input=data, check=True, capture_output=True)
    return done.stdout.rstrip(b"\n")


def new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    return folder


def commit(
    repo: Path, files: dict[str, str | bytes | None], message: str = "change", *, at: float = NOW - DAY, **env: str
) -> str:
    """Write the files (None deletes one), commit all of them; returns the hash."""
    for name, body in files.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if body is None:
            path.unlink()
        else:
            path.write_bytes(body if isinstance(body, bytes) else body.encode())
    stamp = f"{int(at)} +0000"
    git(repo, "add", "--all")
    when = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp, **env}
    git(repo, "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message, **when)
    return git(repo, "rev-parse", "HEAD").decode()


def imported(folder: Path, commits: Iterable[bytes]) -> Path:
    """A repository made of a stream of commits, without a working tree to speak of."""
    new(folder)
    git(folder, "fast-import", "--quiet", "--force", data=b"".join(commits))
    git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    return folder


def data(text: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(text), text)


def facts(
    path: Path, since: str = "1990-01-01", until: str | None = None, cache: Path | None = None, **given: Any
) -> dict[str, Any]:
    """The facts of a status report at NOW."""
    return gather(open_repository(path), path, since=since, until=until, cache=cache, now=NOW, version="1.0", **given)


def raw_sums(path: Path, argv: Iterable[str]) -> dict[str, int]:
    """Lines and files as git's own human output has them, by the command that the report names."""
    out = git(path, *list(argv)[1:]).decode("utf-8", "replace")
    rows = [line.split("\t", 2) for line in out.splitlines() if line.count("\t") >= 2]
    return {
        "added": sum(int(row[0]) for row in rows if row[0] != "-"),
        "deleted": sum(int(row[1]) for row in rows if row[1] != "-"),
    }
