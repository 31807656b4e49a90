"""Who acts, where nobody is named: `user.name`, as git takes it for a commit.

The reading of git elsewhere is blind to a user's settings on purpose, so the files are named here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from guardrails.errors import GitError
from guardrails.git import run_git


def default_name(top: Path) -> str | None:
    """The name: of the environment, the repository at `top`, the user, the machine; None where none has one."""
    if name := os.environ.get("GIT_AUTHOR_NAME", "").strip():
        return name
    home = Path(os.environ.get("HOME", "/"))
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git" / "config"
    chosen = os.environ.get("GIT_CONFIG_GLOBAL")
    files = [Path(chosen)] if chosen else [home / ".gitconfig", config]
    for place in ([], *(["--includes", "--file", str(file)] for file in (*files, Path("/etc/gitconfig")))):
        with suppress(GitError, ValueError):
            said = run_git(["config", *place, "--get", "user.name"], top).decode("utf-8", "backslashreplace").strip()
            if said:
                return said
    return None
