"""What the code consisted of when something was seen: one digest over the contents of every file.

    working_tree(top)     path -> contents, on the disk: tracked files, and untracked ones that git does not ignore
    commit_tree(commit)   the same of a commit, so that tests before a commit still count after it
    digest(tree, ...)     one digest; of chosen paths, and without what the runs themselves write

The same contents have the same digest whether they are committed or not, so evidence goes stale by what changed
and by nothing else. Contents are named as git names its blobs; git hashed nearly all of them before.
"""

from __future__ import annotations

import hashlib
import os
import stat
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from guardrails.evidence import Watched
from guardrails.git import run_git

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    Tree = dict[str, str]

# Written by tools beside the code, and read by nobody as code.
_BESIDE = frozenset({".guardrails", "__pycache__", ".pytest_cache", ".coverage"})


def working_tree(top: Path) -> Tree:
    """What lies in the working tree now. Raises GitError."""
    tree: Tree = {}
    unsure: set[str] = set()
    for entry in run_git(["ls-files", "--stage", "-z"], top).split(b"\0")[:-1]:
        said, _, name = entry.partition(b"\t")
        mode, blob, stage = said.split(b" ")
        path = os.fsdecode(name)
        tree[path] = f"{mode.decode()} {blob.decode()}"
        if stage != b"0":
            unsure.add(path)
    kinds = ["--modified", "--deleted", "--others", "--exclude-standard"]
    unsure |= {os.fsdecode(name) for name in run_git(["ls-files", "-z", *kinds], top).split(b"\0")[:-1]}
    length = max((len(entry) - 7 for entry in tree.values()), default=40)
    for path in unsure:
        tree.pop(path, None)
        if (found := _on_disk(top / path, "sha256" if length == 64 else "sha1")) is not None:
            tree[path] = found
    return _without_products(tree)


def commit_tree(commit: str, git_dir: Path) -> Tree:
    """What the commit holds. Raises GitError."""
    tree = {}
    for entry in run_git(["ls-tree", "-r", "-z", "--full-tree", commit], git_dir).split(b"\0")[:-1]:
        said, _, name = entry.partition(b"\t")
        mode, _, blob = said.split(b" ")
        tree[os.fsdecode(name)] = f"{mode.decode()} {blob.decode()}"
    return _without_products(tree)


def digest(tree: Tree, pattern: str | None = None, without: Collection[str] = ()) -> str:
    """One digest over all of it, or over what `pattern` covers; `without`: paths that are left out."""
    names = tree if pattern is None else covered(tree, pattern)
    lines = (f"{name}\0{tree[name]}\n" for name in sorted(names) if name not in without)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def watched(tree: Tree, pattern: str, without: Collection[str] = ()) -> Watched:
    """What a pattern covers now."""
    names = [name for name in covered(tree, pattern) if name not in without]
    return Watched(pattern, len(names), digest(tree, pattern, without))


def covered(tree: Iterable[str], pattern: str) -> list[str]:
    """The paths that a file, a folder or a glob (whose `*` crosses folders) stands for."""
    folder = pattern.rstrip("/") + "/"
    return [
        name
        for name in tree
        if name == pattern or folder == "./" or name.startswith(folder) or fnmatchcase(name, pattern)
    ]


def differing(before: Tree, after: Tree) -> list[str]:
    """The paths whose contents differ, or that only one of both has."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _without_products(tree: Tree) -> Tree:
    return {name: blob for name, blob in tree.items() if _BESIDE.isdisjoint(name.split("/"))}


def _on_disk(path: Path, algorithm: str) -> str | None:
    """Mode and name of the contents, as git gives them; None where nothing is, or no file."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            link = os.fsencode(path.readlink())
            return "120000 " + hashlib.new(algorithm, b"blob %d\0%s" % (len(link), link)).hexdigest()
        if not stat.S_ISREG(found.st_mode):
            return None
        hashed = hashlib.new(algorithm, b"blob %d\0" % found.st_size)
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                hashed.update(chunk)
    except OSError:
        return None
    return f"{'100755' if found.st_mode & 0o100 else '100644'} {hashed.hexdigest()}"
