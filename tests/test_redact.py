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
from hypothesis import example, given, settings
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
    "log": lambda secret, rng: f"2025-06-01T12:00:{rng.randrange(60):02}Z WARN worker-3 upstream refused {secret} (401)",
    "end of sentence": lambda secret, rng: f"Used {secret}, then {secret}.",
    "json": lambda secret, rng: json.dumps({"id": rng.randrange(99), "note": f"with {secret}", "n": [secret]}),
    "nested json": lambda secret, rng: json.dumps({"body": json.dumps({"note": secret, "ok": True})}),
    "url path": lambda secret, rng: f"GET https://api.example.com/v1/{secret}/messages?limit=5 403",
    "url parameter": lambda secret, rng: f"https://api.example.com/?{urlencode({'q': 'a b', 'x': secret})}#top",
    "escaped lines": lambda secret, rng: repr(f"first\n{secret}\n\tthen\t{secret}\r\n"),
    "traceback": lambda secret, rng: (
        f'  File "/srv/app/client.py", line {rng.randrange(900)}, in call\n    raise Denied({secret!r})\nDenied: {secret}'
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
WORDS = ["password", "passwd", "db_password", "secret", "client_secret", "api_key", "apikey", "access_token", "dsn"]
OPTIONS = ["password", "db-password", "api-key", "client-secret", "auth-token", "token"]
CAPITALS = ["DB_PASSWORD", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "SECRET_KEY", "GITHUB_TOKEN", "PGPASSWORD"]
PARAMETERS = ["token", "key", "api_key", "access_token", "sig", "signature", "password", "X-Amz-Signature"]
NAMES = [*WORDS, "token", "Authorization", "privateKey", "connection_string", "credentials", "X-Api-Key"]


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
    alphabet = "".join(c for c in rng.choice([ALNUM, PUNCTUATED]) if c not in {"logfmt": ",;&", "url": "/?#"}.get(where, ""))
    secret = rng.choice(ALNUM) + drawn(rng, alphabet, rng.randrange(11, 30)) + rng.choice(ALNUM)
    return secret, f"bare in {where}", BARE[where](secret, rng)
