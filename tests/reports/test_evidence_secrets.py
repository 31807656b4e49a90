"""No secret gets into a record: not from arguments, output, environment, names of tests, or what people write."""

from __future__ import annotations

import json
import random
import string
import sys
from typing import TYPE_CHECKING, Any

import pytest

from guardrails.redact import Redactor
from guardrails.reports.command_facts import redactor_of, without_secrets
from guardrails.reports.excerpts import HEAD, TAIL, WINDOW, Excerpt
from tests.reports.projects import Project, copied, first
from tests.test_redact import ALNUM, CAPITALS, FORMATS, OPTIONS, drawn, leaks, plant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copied(first(tmp_path), tmp_path)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def stored(project: Project) -> str:
    """Every text in every file that was recorded."""
    files = (project.top / ".guardrails").glob("*/*.json")
    return "\n".join(text for file in files for text in texts(json.loads(file.read_text())))


@pytest.mark.slow  # 250 excerpts are redacted, of two windows each
def test_a_thousand_secrets_at_the_cuts_of_an_excerpt_do_not_leak() -> None:
    rng = random.Random(20261121)
    filler = "all went well here\n" * 4000
    leaked = []
    for number in range(250):
        planted = [plant(rng), plant(rng), plant(rng), plant(rng)]
        first_two, last_two = ("\n".join(text for _, _, text in pair) for pair in (planted[:2], planted[2:]))
        # Two around the end of what is kept of the beginning, two around the beginning of what is kept of the end.
        begin = filler[: max(0, HEAD - rng.randrange(len(first_two) + 40))]
        end = filler[: max(0, TAIL + 20 - rng.randrange(len(last_two) + 40))]
        between = filler[: rng.choice([0, WINDOW, 3 * WINDOW]) + rng.randrange(999)]
        whole = f"{begin}\n{first_two}\n{between}\n{last_two}\n{end}".encode()
        excerpt = Excerpt()
        for start in range(0, len(whole), 4096):
            excerpt.add(whole[start : start + 4096])
        kept = excerpt.kept(Redactor())
        leaked += [
            (number, where, text) for secret, where, text in planted if leaks(secret, f"{kept['head']}\n{kept['tail']}")
        ]
        assert kept["bytes"] == len(whole)
    assert leaked == []


def test_half_a_line_without_an_end_is_no_way_out() -> None:
    rng = random.Random(7)
    secret = FORMATS["openai"](rng)
    for shift in range(0, 60, 4):
        excerpt = Excerpt()
        excerpt.add(b"x" * (HEAD - shift) + b" " + secret.encode() + b" " + b"y" * 3 * WINDOW)
        assert leaks(secret, excerpt.kept(Redactor())["head"]) == []
        excerpt = Excerpt()
        excerpt.add(b"y" * 3 * WINDOW + b" " + secret.encode() + b" " + b"x" * (TAIL - shift))
        assert leaks(secret, excerpt.kept(Redactor())["tail"]) == []


def test_arguments_keep_their_number_and_lose_their_secrets() -> None:
    rng = random.Random(3)
    for _ in range(300):
        secret = rng.choice(ALNUM) + drawn(rng, ALNUM + "!#%+./:@^_~", 16) + rng.choice(ALNUM)
        name = rng.choice(OPTIONS)
        argv = [
            "migrate",
            "--host",
            "db",
            f"--{name}",
            secret,
            f"--{name}={secret}",
            "-v",
            "postgres://u:" + secret[:9] + "@h/d",
        ]
        shown = without_secrets(argv, Redactor())
        assert (len(shown), shown[:3], shown[6]) == (len(argv), tuple(argv[:3]), "-v")
        assert [leak for word in shown for leak in leaks(secret[:9], word)] == []


def test_values_of_the_environment_are_known_by_heart() -> None:
    rng = random.Random(5)
    environ = {name: drawn(rng, string.ascii_lowercase, 12) for name in CAPITALS}
    redactor = redactor_of({**environ, "HOME": "/home/somebody", "PATH": "/usr/bin:/bin"})
    shown = redactor.text(" ".join(environ.values()) + " /home/somebody /usr/bin:/bin")
    assert [leak for value in environ.values() for leak in leaks(value, shown)] == []
    assert shown.endswith("/home/somebody /usr/bin:/bin")


def test_nothing_that_is_stored_holds_a_secret(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    secrets = {name: make(rng) for name, make in FORMATS.items()}
    plain = drawn(rng, string.ascii_lowercase, 14)  # looks like nothing: only its name in the environment tells
    monkeypatch.setenv("ORDERS_DB_PASSWORD", plain)
    case = f"test_a[{secrets['github classic']}]"
    cases = f'<testsuite><testcase classname="t" name="{case}"><failure/></testcase></testsuite>'
    say = f"import sys; print({list(secrets.values())!r}); print({plain!r}, file=sys.stderr)\n"
    say += f"open('junit.xml', 'w').write({cases!r})"
    project.python(say, options=("--junit", "junit.xml"))
    project.run("true", "--token", secrets["openai"], f"-H=Authorization: Bearer {secrets['jwt']}", plain)
    project.call("add", "manual", "--check", "m", "--by", secrets["aws"], f"logged in with {secrets['stripe']}")
    project.call("claim", f"Works with {secrets['npm']}", "--on", "unit", "--by", plain)
    project.write("token.py", "x")
    shown = stored(project)
    assert {name: leaks(secret, shown) for name, secret in secrets.items() if leaks(secret, shown)} == {}
    assert leaks(plain, shown) == []
    assert "[redacted]" in shown


def test_hashes_stay(project: Project) -> None:
    project.run(sys.executable, "-c", "print('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')")
    (record,) = project.records()
    assert record.command is not None
    assert record.command["stdout"]["head"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
    assert (len(record.tree), record.commit is not None and len(record.commit)) == (64, 40)


def test_of_little_more_than_a_secret_no_digest_is_kept_that_lets_it_be_guessed() -> None:
    excerpt = Excerpt()
    excerpt.add(b"PASSWORD=hunter2\n")
    kept = excerpt.kept(Redactor())
    assert (kept["head"], kept["redacted"]) == ("PASSWORD=[redacted]\n", True)
    assert kept["sha256"] == "c977c4a641572ced07de12fa744256ec2f45a1b0d797e694503db42877261349"
