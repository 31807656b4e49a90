"""Secrets do not leak, and what is no secret stays. Every planted secret is drawn when the tests run."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shlex
import string
import sys
import sysconfig
import textwrap
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails.redact import MARK, Redactor, redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[random.Random], str]

ALNUM = string.ascii_letters + string.digits
# Anything a password generator draws; quotes, commas and blanks are added where the surroundings can quote them.
PUNCTUATED = ALNUM + "!#$%&()*+-./:;<=>?@[]^_{|}~"


def drawn(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


def base64url(data: str) -> str:
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def jwt(rng: random.Random) -> str:
    head, body = base64url('{"alg":"HS256","typ":"JWT"}'), base64url(f'{{"sub":"{drawn(rng, ALNUM, 12)}"}}')
    return f"{head}.{body}.{drawn(rng, ALNUM + '-_', 43)}"


WORDS = ["password", "passwd", "db_password", "secret", "client_secret", "api_key", "apikey", "access_token", "dsn"]
OPTIONS = ["password", "db-password", "api-key", "client-secret", "auth-token", "token"]
CAPITALS = ["DB_PASSWORD", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "SECRET_KEY", "GITHUB_TOKEN", "PGPASSWORD"]
PARAMETERS = ["token", "key", "api_key", "access_token", "sig", "signature", "password", "X-Amz-Signature"]
NAMES = [*WORDS, "token", "Authorization", "privateKey", "connection_string", "credentials", "X-Api-Key"]

# Secrets that are known by their shape, so they may stand anywhere.
FORMATS: dict[str, Draw] = {
    "openai": lambda rng: "sk-" + drawn(rng, ALNUM, 48),
    "openai project": lambda rng: "sk-" + "proj-" + drawn(rng, ALNUM + "-_", 64) + "A1",
    "anthropic": lambda rng: "sk-" + "ant-api03-" + drawn(rng, ALNUM + "-_", 80) + "AA",
    "github classic": lambda rng: "ghp" + "_" + drawn(rng, ALNUM, 36),
    "github oauth": lambda rng: "gho" + "_" + drawn(rng, ALNUM, 36),
    "github fine": lambda rng: "github" + "_pat_" + drawn(rng, ALNUM, 22) + "_" + drawn(rng, ALNUM, 59),
    "gitlab": lambda rng: "glpat" + "-" + drawn(rng, ALNUM, 20),
    "aws": lambda rng: "AKIA" + drawn(rng, string.ascii_uppercase + string.digits, 16),
    "aws session": lambda rng: "ASIA" + drawn(rng, string.ascii_uppercase + string.digits, 16),
    "slack": lambda rng: f"xox{rng.choice('abprs')}-{drawn(rng, string.digits, 12)}-{drawn(rng, ALNUM, 24)}",
    "jwt": jwt,
    "google": lambda rng: "AIza" + drawn(rng, ALNUM + "-_", 35),
    "stripe": lambda rng: "sk" + "_live_" + drawn(rng, ALNUM, 24),
    "stripe restricted": lambda rng: "rk" + "_live_" + drawn(rng, ALNUM, 24),
    "npm": lambda rng: "npm" + "_" + drawn(rng, ALNUM, 36),
    "pypi": lambda rng: "pypi" + "-AgEIcHlwaS5vcmc" + drawn(rng, ALNUM + "-_", 60),
    "hugging face": lambda rng: "hf" + "_" + drawn(rng, ALNUM, 34),
    "sendgrid": lambda rng: "SG" + "." + drawn(rng, ALNUM, 22) + "." + drawn(rng, ALNUM, 43),
}
ANYWHERE: dict[str, Callable[[str, random.Random], str]] = {
    "log": lambda secret, rng: (
        f"2025-06-01T12:00:{rng.randrange(60):02}Z WARN worker-3 upstream refused {secret} (401)"
    ),
    "end of sentence": lambda secret, rng: f"Used {secret}, then {secret}.",
    "json": lambda secret, rng: json.dumps({"id": rng.randrange(99), "note": f"with {secret}", "n": [secret]}),
    "nested json": lambda secret, rng: json.dumps({"body": json.dumps({"note": secret, "ok": True})}),
    "url path": lambda secret, rng: f"GET https://api.example.com/v1/{secret}/messages?limit=5 403",
    "url parameter": lambda secret, rng: f"https://api.example.com/?{urlencode({'q': 'a b', 'x': secret})}#top",
    "escaped lines": lambda secret, rng: repr(f"first\n{secret}\n\tthen\t{secret}\r\n"),
    "traceback": lambda secret, rng: (
        f'  File "/srv/client.py", line {rng.randrange(900)}, in call\n    raise Denied({secret!r})\nDenied: {secret}'
    ),
    "environment": lambda secret, rng: f"HOME=/root\nUPSTREAM={secret}\nPATH=/usr/bin:/bin",
    "markdown": lambda secret, rng: f"| key | `{secret}` |\n[link]({secret})",
}
# Secrets of any shape, which only their surroundings give away; the first group takes any character at all.
QUOTED: dict[str, Callable[[str, random.Random], str]] = {
    "json": lambda secret, rng: json.dumps({"user": "app", rng.choice(NAMES): secret, "max_tokens": 100}),
    "compact json": lambda secret, rng: json.dumps({rng.choice(NAMES): secret, "k": 1}, separators=(",", ":")),
    "json in json": lambda secret, rng: json.dumps({"msg": json.dumps({rng.choice(NAMES): secret, "n": 1})}),
    "json in repr": lambda secret, rng: repr(json.dumps({rng.choice(NAMES): secret, "n": 1})),
    "repr": lambda secret, rng: f"kwargs={ {'host': 'db', rng.choice(NAMES): secret, 'port': 5432}!r}",
    "keyword": lambda secret, rng: f"Settings(host='db', {rng.choice(WORDS)}={secret!r}, port=5432)",
    "assignment": lambda secret, rng: f"    self.{rng.choice(WORDS)} = {secret!r}  # from the vault",
    "annotated": lambda secret, rng: f"    {rng.choice(WORDS)}: str | None = {secret!r}",
    "environ": lambda secret, rng: f"environ({ {'LANG': 'C', rng.choice(CAPITALS): secret}!r})",
    "shell": lambda secret, rng: f"export {rng.choice(CAPITALS)}={shlex.quote(secret)}",
    "yaml": lambda secret, rng: f"db:\n  {rng.choice(WORDS)}: {json.dumps(secret)}\n  port: 5432",
    "url": lambda secret, rng: f"postgresql+psycopg://app:{quote(secret, safe='')}@db.internal:5432/orders?ssl=1",
    "url without user": lambda secret, rng: f"broker is redis://:{quote(secret, safe='')}@cache:6379/0, retrying",
    "query": lambda secret, rng: f"GET /v1?{urlencode({'page': 2, rng.choice(PARAMETERS): secret, 'n': 1})} 200",
    "query in json": lambda secret, rng: (
        '{"url": "https://x.example/a?b=1\\u0026' + f'{urlencode({rng.choice(PARAMETERS): secret})}\\u0026c=2"}}'
    ),
    "query in query": lambda secret, rng: f"/login?next={quote('https://x.example/?' + urlencode({'token': secret}))}",
    "form": lambda secret, rng: f"body: username=app&{urlencode({rng.choice(WORDS): secret})}&remember=1",
    "basic": lambda secret, rng: f"Authorization: Basic {base64.b64encode(f'app:{secret}'.encode()).decode()}",
}
BARE: dict[str, Callable[[str, random.Random], str]] = {
    "environment": lambda secret, rng: f"LANG=C\n{rng.choice(CAPITALS)}={secret}\nPATH=/usr/bin",
    "docker": lambda secret, rng: f"      - {rng.choice(CAPITALS)}={secret}",
    "logfmt": lambda secret, rng: f"level=info user=app {rng.choice(WORDS)}={secret} attempt=2",
    "ini": lambda secret, rng: f"[db]\n{rng.choice(WORDS)} = {secret}\nport = 5432",
    "yaml": lambda secret, rng: f"db:\n  {rng.choice(WORDS)}: {secret}\n  port: 5432",
    "argument": lambda secret, rng: f"$ migrate --host db --{rng.choice(OPTIONS)} {secret} --verbose",
    "argument with sign": lambda secret, rng: f"$ migrate --host db --{rng.choice(OPTIONS)}={secret} --verbose",
    "bearer": lambda secret, rng: f"> authorization: Bearer {secret}\n> accept: */*",
    "other scheme": lambda secret, rng: f"Proxy-Authorization: Hawk id=7, mac={secret}\nAccept: */*",
    "api key": lambda secret, rng: f"X-Api-Key: {secret}\nAccept: */*",
    "cookie": lambda secret, rng: f"Cookie: theme=dark; session={secret}\nAccept: */*",
    "set-cookie": lambda secret, rng: f"< Set-Cookie: sid={secret}; Path=/; HttpOnly\n< Age: 3",
    "raw request": lambda secret, rng: f"send: b'GET / HTTP/1.1\\r\\nCookie: a={secret}\\r\\nHost: x\\r\\n\\r\\n'",
    "curl": lambda secret, rng: f"curl -H 'X-Api-Key: {secret}' -H \"Authorization: Token {secret}\" https://x.example",
    "headers": lambda secret, rng: f"[(b'host', b'x'), (b'authorization', b'Bearer {secret}'), (b'accept', b'*')]",
    "url": lambda secret, rng: f"could not connect to amqp://app:{secret}@mq:5672/vhost: refused",
}


def leaks(secret: str, shown: str) -> list[str]:
    """Every six characters of the secret that can still be read."""
    return [secret[at : at + 6] for at in range(len(secret) - 5) if secret[at : at + 6] in shown]


def plant(rng: random.Random) -> tuple[str, str, str]:
    """What was planted, where, and the text that holds it."""
    group = rng.choice(["format", "quoted", "bare"])
    if group == "format":
        name, where = rng.choice(list(FORMATS)), rng.choice(list(ANYWHERE))
        secret = FORMATS[name](rng)
        return secret, f"{name} in {where}", ANYWHERE[where](secret, rng)
    if group == "quoted":
        where = rng.choice(list(QUOTED))
        alphabet = rng.choice([ALNUM, PUNCTUATED, PUNCTUATED + " ,'\"\\`é"])
        secret = rng.choice(ALNUM) + drawn(rng, alphabet, rng.randrange(11, 30)) + rng.choice(ALNUM)
        return secret, f"quoted in {where}", QUOTED[where](secret, rng)
    where = rng.choice(list(BARE))
    # Where a list goes on at `,name=` no unquoted value can hold that, nor the password of a URL a slash.
    alphabet = "".join(
        c for c in rng.choice([ALNUM, PUNCTUATED]) if c not in {"logfmt": ",;&", "url": "/?#"}.get(where, "")
    )
    secret = rng.choice(ALNUM) + drawn(rng, alphabet, rng.randrange(11, 30)) + rng.choice(ALNUM)
    return secret, f"bare in {where}", BARE[where](secret, rng)


def test_a_thousand_planted_secrets_do_not_leak() -> None:
    rng = random.Random(20250601)
    planted, leaked = set(), []
    for _ in range(3_000):
        secret, where, text = plant(rng)
        planted.add(where)
        shown = redacted(text)
        if leaks(secret, shown) or redacted(shown) != shown or shown.count("\n") != text.count("\n"):
            leaked.append((where, text, shown))
    assert leaked == []
    assert len(FORMATS) >= 15
    assert len(planted) >= 150


KEY_LINES = [drawn(random.Random(line), ALNUM + "+/", 64) for line in range(12)]
EDGES = [f"-----{edge} RSA PRIVATE KEY-----" for edge in ("BEGIN", "END")]


@pytest.mark.parametrize("lines", [12, 1])
@pytest.mark.parametrize("end", [True, False], ids=["whole", "cut off"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda block: f"before\n{block}\nafter that",
        lambda block: json.dumps({"key": block, "n": "after that"}),
        lambda block: repr({"key": block, "n": "after that"}),
        lambda block: f"key: |\n{textwrap.indent(block, '    ')}\nafter that",
        lambda block: textwrap.indent(block, "> ") + "\nafter that",
    ],
    ids=["text", "json", "repr", "yaml", "quoted mail"],
)
def test_private_keys_become_one_mark(wrap: Callable[[str], str], end: bool, lines: int) -> None:
    block = "\n".join([EDGES[0], *KEY_LINES[:lines], "abcd+/=="] + EDGES[1:] * end)
    shown = redacted(wrap(block))
    assert [line for line in KEY_LINES if leaks(line, shown)] == []
    assert "abcd+/==" not in shown
    assert shown.count(MARK) == 1
    assert "PRIVATE" not in shown
    assert "after that" in shown


def test_a_private_key_in_a_log_goes_with_the_prefixes_of_its_lines() -> None:
    block = "\n".join(f"2025-06-01 12:00:00 INFO {line}" for line in [EDGES[0], *KEY_LINES, EDGES[1]])
    assert redacted(block) == f"2025-06-01 12:00:00 INFO {MARK}"


def test_code_that_mentions_the_edges_of_a_key_stays() -> None:
    code = f'if "{EDGES[0]}" in text:\n' + "    load_the_certificate_chain(text)\n" * 20 + f'elif "{EDGES[1]}" in text:'
    assert redacted(code) == code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://app:hun@t:er%2@db/orders", f"postgres://app:{MARK}@db/orders"),
        ("redis://:pw@cache:6379/0", f"redis://:{MARK}@cache:6379/0"),
        ("http://u:p@h/a?mail=x@y.z", f"http://u:{MARK}@h/a?mail=x@y.z"),
        ("amqp://u:p@one,amqp://u:q@two", f"amqp://u:{MARK}@one,amqp://u:{MARK}@two"),
        ("smtp://me@mail.com:p@w@mx:587/", f"smtp://me@mail.com:{MARK}@mx:587/"),
        (r"{\"url\":\"redis:\/\/:pw@h\"}", rf"{{\"url\":\"redis:\/\/:{MARK}@h\"}}"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MARK}"),
        ("Proxy-Authorization: Digest a, b", f"Proxy-Authorization: {MARK}"),
        ("cookie: a=b; c=d", f"cookie: {MARK}"),
        (r"b'Cookie: a=b\r\nHost: x\r\n'", rf"b'Cookie: {MARK}\r\nHost: x\r\n'"),
        ('{"headers": {"Authorization": ["Bearer a"]}}', f'{{"headers": {{"Authorization": [{MARK}]}}}}'),
        ("?a=1&key=2&c=3#d", f"?a=1&key={MARK}&c=3#d"),
        ("Server=x;Password=abc;Timeout=3", f"Server=x;Password={MARK};Timeout=3"),
        ("DB_PASSWORD=two words, and more", f"DB_PASSWORD={MARK}"),
        ("passphrase = correct horse battery", f"passphrase = {MARK}"),
        ("export A_TOKEN='it'\\''s'", f"export A_TOKEN='{MARK}'"),
        ("SET PASSWORD 'it''s' --", f"SET PASSWORD '{MARK}' --"),
        ('key = """a\nb"""', 'key = """a\nb"""'),
        ('secret = """a\nb"""', f'secret = """{MARK}\n"""'),
        ("password: |\n  a\n  b\nport: 1", f"password: |\n  {MARK}\n\nport: 1"),
        ('"api_keys": ["a", "b"]', f'"api_keys": [{MARK}]'),
        ('auth=("user", "pw")', f"auth=({MARK})"),
        ('[{"name": "DB_PASSWORD", "value": "abc"}]', f'[{{"name": "DB_PASSWORD", "value": "{MARK}"}}]'),
        ("<password>abc</password>", f"<password>{MARK}</password>"),
        ('os.environ["API_KEY"] = "x"', f'os.environ["API_KEY"] = "{MARK}"'),
        ("['--token', 'abc']", f"['--token', '{MARK}']"),
        ("machine h login me password abc", f"machine h login me password {MARK}"),
        ("curl -u me:abc https://h", f"curl -u me:{MARK} https://h"),
        ("https://hooks.slack.com/services/T0/B0/x", f"https://hooks.slack.com/services/{MARK}"),
        ("password=SecretStr('x'), n=1", f"password={MARK}'), n=1"),
    ],
)
def test_what_stands_around_a_secret_stays(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "the token bucket refills; each token is a secret to nobody",
        "token_count=12 max_tokens=100 tokens=5 prompt_tokens: 7, token_type=bearer tokenizer='cl100k'",
        "key=3 keyboard=us primary_key=5 public_key='x' cache_key=user:12 partition_key: eu idempotency_key=a1b2c3d4",
        "secret_santa=bob secret_name=prod/db password_file=/run/secrets/db api_key_id=17 password_min_length=12",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "image: app@sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        '{"session_id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "next_page_token": null}',
        "password: str, token: Token | None = None, secret: Optional[str] = None",
        "    password = getpass.getpass()\n    token = next(tokens)\n    self.password = password",
        "    api_key=self._api_key, token=args.token, client_secret=settings.client_secret)",
        "if token == '(': pass\nwhile token: token = parse(token)",
        "password = os.environ['DB_PASSWORD']; h = {'Authorization': f'Bearer {token}'}",
        "postgresql://{user}:{password}@{host}:5432/x and http://h:8080/users/@me",
        'password="" token=None api_key=${API_KEY} secret=<secret> passwd=%s pwd=*** credentials={}',
        "WWW-Authenticate: Basic realm='x'; Bearer authentication",
        "GET /v1/items?page=2&limit=10&cursor=abc#key=x",
        "/usr/lib/python3.11/secrets.py:12: in token_hex, app/api_key.ts:3:14, tests/test_password.py::test_it PASSED",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_hashes_and_ids_stay() -> None:
    rng = random.Random(7)
    touched = []
    for number in range(5_000):
        data = rng.randbytes(16)
        lines = (
            f"commit {hashlib.sha1(data).hexdigest()} in refs/heads/main",
            f"sha256:{hashlib.sha256(data).hexdigest()}",
            f"request {uuid.UUID(bytes=data)} took {number} ms",
            f"--hash=sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}",
            f"ids={data.hex()[:24]},{int.from_bytes(data)} etag=W/{data.hex()[:12]!r}",
        )
        touched += [line for line in lines if redacted(line) != line]
    assert touched == []


def test_one_ordinary_source_line_in_a_thousand_is_touched_at_most() -> None:
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(path for path in library.rglob("*.py") if "site-packages" not in path.parts)
    rng = random.Random(3)
    each = 20_000 // len(files) + 4  # some from every file, so that no single one decides
    lines: list[str] = []
    for path in files:
        source = path.read_text(encoding="utf-8", errors="replace").splitlines()
        lines += rng.sample(source, min(each, len(source)))
    assert len(lines) >= 20_000
    touched = [line for line in lines if redacted(line) != line]
    assert len(touched) <= len(lines) / 1000, "\n".join(touched)


def test_values_handed_in_go_in_every_spelling() -> None:
    value = 'p"ss/w?rd+é&x'
    redactor = Redactor(values=[value + "\n"])
    spellings = [
        value,
        quote(value),
        quote(value, safe=""),
        urlencode({"q": value})[2:],
        quote(value, safe="").lower(),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(value))[1:-1],
        repr(value),
        repr(value.encode()),
        value.replace("&", "&amp;").replace('"', "&quot;"),
    ]
    for spelling in spellings:
        assert leaks(value, redactor.text(f"<{spelling}>")) == [], spelling
        assert MARK in redactor.text(f"<{spelling}>"), spelling


@given(st.text(min_size=6), st.binary(max_size=9), st.binary(max_size=9))
def test_values_handed_in_go_in_base64_at_any_phase(value: str, before: bytes, after: bytes) -> None:
    if len(value.strip()) < 6:
        return
    data = value.strip().encode("utf-8", "surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        shown = Redactor(values=[value]).text(encode(before + data + after).decode())
        assert MARK in shown
        # What is left are the neighbours' characters, and those shared with them.
        assert len(shown.replace(MARK, "")) <= (len(before) + len(after) + 4) * 4 / 3 + 6


def test_values_of_several_lines_leave_their_line_breaks() -> None:
    assert Redactor(values=["abc\ndef\nghi"]).text("1 abc\ndef\nghi 2") == f"1 {MARK}\n\n 2"


def test_a_value_too_short_to_be_told_from_words_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a secret of 5 characters cannot .* at least 6$") as caught:
        Redactor(values=["long enough", "12345"])
    assert "12345" not in str(caught.value)


def test_a_value_that_is_the_mark_does_not_grow() -> None:
    redactor = Redactor(values=["redacted", MARK])
    assert redactor.text(f"redacted {MARK}") == f"{MARK} {MARK}"


def test_more_names_may_be_secret() -> None:
    redactor = Redactor(extra_keys=["PIN", "door-code"])
    text = "card_pin=1234 DoorCode: 99 door.code=7 spin=1 pins=2"
    assert redactor.text(text) == f"card_pin={MARK} DoorCode: {MARK} door.code={MARK} spin=1 pins=2"
    assert redacted(text) == text


FRAGMENTS = [
    *("password", "token", "DB_PASSWORD=", "--password ", "secret", "key", "Cookie: ", "Authorization: ", "Bearer "),
    *("=", ":", " = ", "==", "=>", " ", "\t", '"', "'", '"""', "''", "\\", '\\"', "\\n", "\n", "\r\n", "\u2028"),
    *("[", "](", ")", "{", "}", "<", ">", "@", "://", "postgres://user:", "?", "&", ",", ";", "%3D", "%26", "\\u0026"),
    *(
        "hunter2",
        "A1b2C3d4E5",
        "None",
        "f(",
        "self.x",
        MARK,
        "redacted",
        *EDGES,
        "x" * 16,
        "sk-",
        "AKIA",
        "eyJhbGciOi.",
    ),
]


@example(["AKIA" + "A1" * 8 + "eyJhbGciOi.", "--"])
@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=14))
def test_redacting_twice_changes_nothing_and_lines_stay(fragments: list[str]) -> None:
    text = "".join(fragments)
    redactor = Redactor(extra_keys=["pin"], values=["redacted", "hunter2", "x[reda"])
    for redact in (redacted, redactor.text):
        once = redact(text)
        assert redact(once) == once
        if "PRIVATE KEY" not in text:
            assert len(once.splitlines()) == len(text.splitlines())


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "a",
            ":",
            "=",
            "-",
            ".",
            "\\",
            '"',
            "'",
            "[",
            ")",
            "&",
            " ",
            "\n",
            "://",
            "://a:",
            "://a:b@",
            "a.",
            '\\"',
            "''",
        ),
        *(
            "password=",
            'password="',
            'password="\\"',
            "password=)",
            "password: a",
            'token = "',
            'token = \\"',
            "token:",
        ),
        *(
            "token=,",
            "token: f(",
            "X_TOKEN=",
            "Cookie: ",
            "--token ",
            "<password>",
            "?key=",
            "\\u0026token=",
            "auth=('",
        ),
        *("eyJ", "sk-", "ghp_", "AKIA", "Bearer ", "login a password ", EDGES[0], EDGES[0] + "\n" + "A" * 24 + "\n"),
    ],
)
def test_time_grows_with_length_and_no_faster(unit: str) -> None:
    def cost(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.process_time()
        redacted(text)
        return time.process_time() - started

    redacted("warm up")
    short = min(cost(20_000) for _ in range(3))
    # Four times the text: about 4 if linear, 16 and more if each character is read once for each other.
    assert cost(80_000) < 8 * short + 0.05


def test_a_megabyte_of_hostile_text_is_done_in_seconds() -> None:
    started = time.process_time()
    redacted("://a:" * 50_000 + 'token = "' * 50_000 + "--" * 100_000 + "x:" * 50_000)
    assert time.process_time() - started < 5


def test_import_stays_cheap() -> None:
    assert "base64" not in _modules_after("import guardrails.redact")


def _modules_after(code: str) -> list[str]:
    import subprocess

    program = f"{code}; import sys; print(*sys.modules)"
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()


def test_the_short_cut_for_plain_texts_agrees_with_the_rules() -> None:
    rules, rng = Redactor(), random.Random(11)
    texts = [plant(rng)[2] for _ in range(2_000)]
    texts += Path(__file__).read_text(encoding="utf-8").splitlines()
    assert [text for text in texts if redacted(text) != rules.text(text)] == []
