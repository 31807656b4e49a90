"""One git subprocess, neutral settings: the same answer on every machine, and no program of the repository's.

    run_git(["log", "-1"], path)  -> bytes          any read-only command
    stream_git([...], git_dir)    -> Iterator       what git writes with -z, piece by piece, of any size
    head(path)                    -> Head | None    commit and dirtiness, for evidence
    tracked_files(path)           -> list | None    what belongs to the project

A checkout is somebody else's data, and its settings can name programs that even read-only commands run.
They are silenced by what stands below: `core.fsmonitor`, hooks (`core.hooksPath`, `hook.*.command`),
pagers, `core.alternateRefsCommand`, `gpg.*.program`, external diffs and textconv, `filter.*`,
`merge.*.driver`, `tar.*.command`, `trailer.*.command`; and with every transport forbidden also
`core.sshCommand`, `core.gitProxy`, `core.askPass`, credential helpers, `ext::` addresses and the fetch
by which a partial clone fills its gaps. Submodules have settings of their own, so they are not entered.
Not covered: aliases, because no caller should run what is not a git command.
"""

from __future__ import annotations

import os
import stat
from collections import namedtuple

from guardrails.errors import GitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from subprocess import Popen
    from typing import IO, NamedTuple

    class Head(NamedTuple):
        commit: str | None
        dirty: bool | None

else:
    Head = namedtuple("Head", ["commit", "dirty"])  # noqa: PYI024 - `typing` would double the cost of the import
Head.__doc__ = """Where a checkout stands.

`commit`: the full hash; None while there is no commit yet, or where git could not tell. `dirty`: whether
the repository as a whole has tracked changes or untracked files that are not ignored; None where git could
not tell (a bare repository, a time-out).
"""

# As shells have it: the program was not found, or could not be started.
NOT_FOUND, NOT_STARTED = 127, 126

# Given with -c, because git hands these down to the gits that it starts itself.
_SETTINGS = {
    "advice.graftFileDeprecated": "false",  # it is we who name one, so that the repository's own is not read
    "core.alternateRefsCommand": "true",
    "core.attributesFile": os.devnull,
    "core.bigFileThreshold": "512m",  # above it git counts no lines
    "core.excludesFile": os.devnull,  # a user's own ignore list would make two machines disagree
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.quotePath": "false",
    "core.untrackedCache": "false",
    "color.ui": "false",
    "color.branch": "false",
    "color.diff": "false",
    "color.status": "false",
    "column.ui": "never",
    "diff.algorithm": "default",
    "diff.ignoreSubmodules": "dirty",
    "diff.orderFile": os.devnull,
    "diff.relative": "false",
    "diff.renameLimit": "1000",
    "diff.renames": "true",
    "gpg.program": "gpg",
    "gpg.openpgp.program": "gpg",
    "gpg.x509.program": "gpgsm",
    "gpg.ssh.program": "ssh-keygen",
    "i18n.logOutputEncoding": "UTF-8",
    "log.mailmap": "true",
    "log.showRoot": "true",
    "log.showSignature": "false",
    "mailmap.blob": "HEAD:.mailmap",
    "mailmap.file": os.devnull,
    # In a container the checkout often is another user's; since nothing of it is run, it may be read.
    "safe.directory": "*",
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_FLUSH": "0",  # else git writes each commit by itself into a pipe, and both sides wake up for it
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # history as it is, not as refs/replace paints it
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# Programs under names that the repository chooses, so no fixed list covers them: section and last part, and
# the last part and value that silence each. An empty filter is no filter; other empty commands fail aloud.
_CHOSEN_NAMES = {
    **{f"filter.{part}": (part, "") for part in ("clean", "process", "smudge")},
    **{f"{section}.command": ("command", "") for section in ("diff", "tar", "trailer")},
    "diff.textconv": ("textconv", ""),
    "filter.required": ("required", "false"),
    "hook.command": ("enabled", "false"),
    "merge.driver": ("driver", "false"),
    "trailer.cmd": ("cmd", ""),
}
# As in a bare repository no attributes are read, so a history counts alike in every checkout of it.
_BARE = ("--git-dir=.", "--bare", "-c", "attr.tree=none")
# Nothing that git writes with -z is longer, but a commit message.
LONGEST_PIECE = 2**20
_CHUNK = 2**18
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
# They compare no contents, sign nothing and fetch nothing: no setting makes them run a program.
_RUN_NOTHING = frozenset({"--version", "config", "for-each-ref", "merge-base", "rev-list", "rev-parse", "symbolic-ref"})
_FLAGS = {
    **dict.fromkeys(("diff", "diff-files", "diff-index", "diff-tree", "log", "show", "whatchanged"), _PLAIN_DIFF),
    "blame": ("--no-textconv",),
    "status": ("--ignore-submodules=dirty",),
}


def run_git(
    args: Sequence[str],
    cwd: str | os.PathLike[str],
    *,
    timeout: float = 10.0,
    input: bytes | None = None,  # noqa: A002
) -> bytes:
    """Run a read-only git command in `cwd` and return what it wrote to standard output.

    `timeout`: seconds for the command, and as many for a look at the settings before it; default 10, since
    a status of a large repository on a cold disk takes some. On time-out git and its children are killed.
    `input`: bytes for standard input, closed otherwise.

    Raises GitError: `returncode` None on time-out, 127 when git is not installed, 126 when it cannot be
    started, else what git ended with. Its `stderr` is free of secrets.
    """
    command, *rest = args
    chosen = _chosen(command, cwd, timeout)
    return _run([command, *_FLAGS.get(command, ()), *rest], cwd, timeout, input, chosen)


def stream_git(
    args: Sequence[str],
    git_dir: str | os.PathLike[str],
    *,
    timeout: float = 600.0,
    input: bytes = b"",  # noqa: A002
    separator: bytes = b"\0",
) -> Iterator[bytes]:
    """Run a read-only git command over a history and yield what stands before each NUL that it writes.

    `git_dir`: what `git rev-parse --absolute-git-dir` says. Attributes are not read: a file that a checkout
    marks `-diff` counts as everywhere else. Memory holds one piece, cut after LONGEST_PIECE bytes. Stop early by
    closing the iterator, which ends git. `timeout`: seconds for the whole, default 600, since a history of
    a million commits takes minutes. `input`: bytes for standard input. `separator`: what stands behind each piece;
    a line break for the few commands that know no -z and write nothing but hashes and numbers.

    Raises GitError as `run_git` does, in the end: what was yielded before is then not the whole.
    """
    import tempfile
    import threading

    command, *rest = args
    chosen = _chosen(command, git_dir, 10.0)
    argv = [command, *_FLAGS.get(command, ()), *rest]
    # Files: git may write to three pipes in any order, and here one is read.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaints:
        given.write(input)
        given.seek(0)
        process = _start([*_BARE, *argv], git_dir, chosen, given, complaints)
        late = threading.Event()

        def end() -> None:
            late.set()
            _kill(process)

        watchdog = threading.Timer(timeout, end)
        watchdog.start()
        try:
            with process:
                try:
                    yield from _pieces(process, separator)
                except BaseException:
                    _kill(process)
                    raise
        finally:
            watchdog.cancel()
        if late.is_set():
            raise GitError(("git", *argv), None, f"killed after {timeout:g} s")
        complaints.seek(0)
        _require_success(("git", *argv), process.returncode, complaints.read(LONGEST_PIECE))


def _pieces(process: Popen[bytes], separator: bytes) -> Iterator[bytes]:
    piece = b""
    read: Callable[[int], bytes] = process.stdout.read1  # type: ignore[union-attr]
    while chunk := read(_CHUNK):
        first, *others = chunk.split(separator)
        if len(piece) < LONGEST_PIECE:
            piece += first
        if others:
            yield piece
            yield from others[:-1]
            piece = others[-1]
    if piece:
        yield piece


def head(path: str | os.PathLike[str]) -> Head | None:
    """The commit and the dirtiness of the repository around `path`; None outside a repository or without git.

    Never raises: evidence says "could not tell" rather than keep a gate from its verdict. Files that only a
    user's own ignore list covers count as untracked, and a file under a `filter` such as Git LFS counts as
    changed once its time stamp differs from the index, because filters are not run.
    """
    if not _has_repository(path):
        return None
    flags = [
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=normal",
        "--no-renames",
        "--no-ahead-behind",
        # Records of evidence tell of the code and are no part of it: recording would else make it look changed.
        *("--", ":/", ":(top,exclude,glob)**/.guardrails/**"),
    ]
    try:
        entries = run_git(["status", *flags], path).split(b"\0")
    except GitError as exc:
        return None if _no_answer(exc) else Head(_commit(path), None)
    oid = next((entry[13:] for entry in entries if entry.startswith(b"# branch.oid ")), b"(initial)")
    dirty = any(entry and not entry.startswith(b"# ") for entry in entries)
    return Head(None if oid == b"(initial)" else oid.decode("ascii"), dirty)


def tracked_files(path: str | os.PathLike[str]) -> list[str] | None:
    """The files below `path` that git tracks or does not ignore, relative to `path`, sorted.

    With forward slashes; names that are not UTF-8 as `os.fsdecode` has them. Deleted files are left out, and
    so is all in submodules and nested repositories. Empty when `path` is itself ignored; None outside a
    working tree and without git. Raises GitError when git fails otherwise, or not within 10 s.
    """
    if not _has_repository(path):
        return None
    try:
        # Compares no contents, so no filter could run and the settings need no look.
        listing = _run(["ls-files", "-z", "--cached", "--others", "--exclude-standard"], path, timeout=10.0)
    except GitError as exc:
        if _no_answer(exc) or "must be run in a work tree" in exc.stderr:
            return None
        raise
    base = os.fsencode(path) + b"/"
    # A set: a file in conflict is listed once for every version of it.
    return sorted(os.fsdecode(name) for name in set(listing.split(b"\0")) if name and _is_file(base + name))


def _has_repository(path: str | os.PathLike[str]) -> bool:
    """Whether `.git` stands here or above: asking the disk is a hundred times cheaper than starting git."""
    folder = os.path.realpath(path)
    while not os.path.lexists(os.path.join(folder, ".git")):  # noqa: PTH118 - pathlib is slow to import
        parent = os.path.dirname(folder)  # noqa: PTH120
        if parent == folder:
            return False
        folder = parent
    return True


def _is_file(path: bytes) -> bool:
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _commit(path: str | os.PathLike[str]) -> str | None:
    try:
        return _run(["rev-parse", "--quiet", "--verify", "HEAD"], path, timeout=10.0).decode("ascii").strip()
    except GitError:
        return None


def _no_answer(exc: GitError) -> bool:
    """Whether there is no git, or nothing that git would call a repository."""
    return exc.returncode == NOT_FOUND or "not a git repository" in exc.stderr


def _chosen(command: str, cwd: str | os.PathLike[str], timeout: float) -> dict[str, str]:
    """Settings that silence the programs which a repository's own settings name."""
    if command in _RUN_NOTHING:
        return {}
    found = {}
    for name in os.fsdecode(_run(["config", "--list", "--name-only", "-z"], cwd, timeout)).split("\0"):
        section, _, rest = name.partition(".")
        chosen, _, last = rest.rpartition(".")
        silence = _CHOSEN_NAMES.get(f"{section}.{last}")
        if name == "diff.external":
            found[name] = ""
        elif silence is not None:
            found[f"{section}.{chosen}.{silence[0]}"] = silence[1]
    return found


def _environment(chosen: dict[str, str]) -> dict[str, str]:
    # A git hook runs us with GIT_DIR and more set, which would lead git to another repository than ours.
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith("GIT_")}
    # A relative entry would find programs in the repository.
    folders = [folder for folder in env.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]  # noqa: PTH117
    env["PATH"] = os.pathsep.join(folders) or os.defpath
    env.update(_ENVIRONMENT)
    # By environment, since a name that holds `=` cannot be given with -c.
    env["GIT_CONFIG_COUNT"] = str(len(chosen))
    for number, (name, value) in enumerate(chosen.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = name
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def _run(
    args: list[str],
    cwd: str | os.PathLike[str],
    timeout: float,
    data: bytes | None = None,
    chosen: dict[str, str] | None = None,
) -> bytes:
    import subprocess  # not at the top: most commands never start git

    argv = ("git", *args)
    process = _start(args, cwd, chosen or {}, subprocess.DEVNULL if data is None else subprocess.PIPE, subprocess.PIPE)
    with process:
        try:
            out, err = process.communicate(data, timeout)
        except subprocess.TimeoutExpired as exc:
            _kill(process)
            raise GitError(argv, None, f"killed after {timeout:g} s") from exc
        except BaseException:
            _kill(process)
            raise
    _require_success(argv, process.returncode, err)
    return out


def _start(
    args: Sequence[str],
    cwd: str | os.PathLike[str],
    chosen: dict[str, str],
    stdin: int | IO[bytes],
    stderr: int | IO[bytes],
) -> Popen[bytes]:
    import subprocess

    argv = ("git", *args)
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    try:
        return subprocess.Popen(
            ["git", "--no-pager", *settings, *args],  # noqa: S607 - git is where the user's PATH has it
            cwd=cwd,
            env=_environment(chosen),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,  # a group to kill, and no terminal on which to ask for a password
        )
    except OSError as exc:
        if isinstance(exc, FileNotFoundError) and os.path.isdir(cwd):  # noqa: PTH112
            message = "git is not installed, or not on the PATH: install git"
            raise GitError(argv, NOT_FOUND, message) from exc
        raise GitError(argv, NOT_STARTED, str(exc)) from exc


def _require_success(argv: tuple[str, ...], returncode: int, err: bytes) -> None:
    if returncode != 0:
        from guardrails.redact import redacted

        raise GitError(argv, returncode, redacted(err.decode("utf-8", "backslashreplace")))


def _kill(process: Popen[bytes]) -> None:
    """End git and all that it started."""
    kill_group = getattr(os, "killpg", None)  # absent on Windows
    if kill_group is None or process.returncode is not None:
        process.kill()
        return
    # Not waited for yet, so the number is still git's own. macOS answers EPERM for a group of the dead.
    try:
        kill_group(process.pid, 9)
    except (ProcessLookupError, PermissionError):
        return
