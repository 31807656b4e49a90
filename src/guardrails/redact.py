"""Secrets out of any text: logs, URLs, headers, JSON, environment dumps, tracebacks, source lines.

    redacted("postgres://app:hunter2@db/orders")   ->  "postgres://app:[redacted]@db/orders"

Four ways to know a secret, tried in this order:

    1. private keys in PEM      from BEGIN to END, or as far as the lines of the key go
    2. values handed in         as they are, and as URLs, JSON, Python, HTML and base64 write them
    3. its own shape            `://user:…@`  `Bearer …`  the formats of known providers
    4. the name before it       `DB_PASSWORD=…`  `"api_key": "…"`  `?token=…`  `Cookie: …`  `--secret …`

Redacting twice changes nothing. The number of lines stays, but for a PEM block, which becomes one marker.
What only looks random stays: hashes, digests, UUIDs and ids are what a report is read for. In doubt about
a value under a name that means a secret, it goes. An unquoted value ends at a blank, and where a list goes
on (`,name=`); a password in a URL must not hold `/`, `?` or `#`, which no client would accept either.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MARK", "Redactor", "redacted"]

MARK = "[redacted]"
SHORTEST_VALUE = 6
# A longer value is neither a placeholder nor an expression: so hostile text is not read again and again.
_SHORT = 200
# What has gone may bare another secret, say one that was glued to it. Two rounds are the rule.
_ROUNDS = 8
_EOL = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"

# In lower case, what every rule needs somewhere: parts of the names that mean a secret, what ties a value or a
# password to something, the beginnings of known tokens.
_STEMS = (
    "pass", "pw", "secret", "cred", "key", "token", "auth", "cookie", "dsn", "jwt", "sig", "sess", "sid", "hmac",
    "conn", "code", "ticket", "otp", "bearer", "basic", "login", "identified", "-u", "@", "begin", "hook",
    "eyj", "akia", "asia", "abia", "acca", ":aa", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-",
    "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "glimt-", "xox", "sk_", "rk_", "whsec_",
    "dop_v1_", "shpat_", "shpca_", "shppa_", "shpss_", "lsv2_", "glsa_", "rubygems_", "nvapi-", "gocspx-",
    "dckr_pat_", "atatt3", "aiza", "ya29.", "sk-", "npm_", "pypi-", "hf_", "gsk_", "r8_", "sbp_", "xapp-", "xai-",
    "pplx-", "tvly-", "pmak-", "figd_", "hvs.", "sg.", "dapi", "sntrys_",
)  # fmt: skip

NEVER, SOMETIMES, ALWAYS = 0, 1, 2
_VENDORS = (
    "openai|anthropic|claude|gemini|google|gcp|azure|aws|stripe|github|gh|gitlab|slack|sendgrid|twilio|mailgun|datadog"
    "|sentry|cohere|mistral|groq|together|replicate|huggingface|hf|pinecone|langsmith|langfuse|tavily|deepseek|xai"
    "|supabase|cloudflare|heroku|npm|pypi|docker|discord|telegram|vault"
)
# Names are compared as words_with_underscores. Those of the first kind hold a secret wherever they stand;
# `token` and its like also name what a parser reads, so in code the value must look like a secret as well.
_ALWAYS = (
    r"(?:passw(?:or)?d|passwort|passphrase|passcode|(?<![a-z])(?:pwd|dsn|jwt)|secret|credential)s?(?![a-z])"
    r"|conn(?:ection)?_?str(?:ing)?(?![a-z])|(?:api|private|secret|access|(?:en|de)cryption|signing|master|account"
    r"|ssh|service|storage|fernet|hmac|aes|rsa|auth|app|application|consumer|deploy|webhook|license|subscription"
    rf"|admin|session|cookie|{_VENDORS})_?keys?(?![a-z])|(?:access|auth|refresh|bearer|session|security|csrf|xsrf|api"
    rf"|bot|oauth2?|id|personal|private|deploy|user|service|client|app|device|reset|invite|login|admin|{_VENDORS})_?token(?:\d+)?$"
    r"|(?:db|user|smtp|mail|redis|mysql|pg|ftp|admin|root|proxy|http|login)_?pass$|(?:^|_)(?:authorization|cookie)$"
)
_SOMETIMES = r"(?:^|_)(?:token|auth|pass|pw|signature|sig|\w{0,5}sessionid|bearer|otp)(?:_?\d+)?$"
_IN_QUERY = r"(?:^|_)(?:key|code|token|sig|signature|hmac|pass|auth|ticket|credential)$"
_HEADER = r"(?i)(?:^|[-_])(?:authorization|(?:set-)?cookie)\Z"
_NEVER = (
    r"_(?:counts?|files?|filename|path|dir|folder|names?|types?|ur[li]s?|(?<!secret_)ids?|len|length|size|min|max|limit"
    r"|budget|usage|expir\w+|expires_(?:in|at)|ttl|age|policy|field|label|hints?|prompt|required|enabled|changed|at|in"
    r"|bucket|index|idx|pos|position|kinds?|class|provider|manager|store|helper|validators?|hashers?|factory|func"
    r"|callback|errors?|exception|regex|pattern|re|format|header|param|env|var|version|santa|strength|scope|status"
    r"|rotation|backend|timeout|form|view|help|text|title|arn|ref|server|endpoint"
    r"|pyi?|json|ya?ml|toml|cfg|ini|txt|md|html?|sh|[jt]sx?|sql|log|rs|rb|go|java)$"
    r"|(?:^|_)(?:eos|bos|pad|unk|sep|cls|mask|stop|start|end|next|prev|page|continuation|max|special|sync)_token$"
)

# A name, what leads to it and what ties a value to it. Possessive, and a name begins only where no name can
# go on, so that no character is read twice. An escape such as `\n` would else be glued to the name.
_NAMED = (
    r"(?<![\w-])--(?P<flag>[\w-]++)[ \t]{1,8}(?![-\s])"
    r"|(?:(?P<query>[?&]|&amp;|%26|%3[fF]|\\u00(?:26|3[fF]))|(?P<tag><)|(?P<address>//)|\\[nrt]|(?<![\w.-]))"
    r"(?P<name>[\w.-]++)(?P<quote>\\*+[\"'])?\]?"
    r"(?P<tie>[ \t]{0,8}(?:=>|={1,3}|:=|:[ \t]*[A-Za-z][\w.|\[\], ]{0,60}[ \t]=(?=[ \t])|::?|!=|%3[dD]|[,>])[ \t]{0,8})"
)
_LINE_START = rf"(?:^|[{_EOL}])[ \t]*(?:-[ \t]+)?(?:(?:export|declare -x|set|ENV)[ \t]+)?\Z"
_OPENING = r"[bBrRuUfF]{0,2}(\\*+)(\"\"\"|'''|[\"'])"
# What a shell or SQL has for a quote within quotes; else a quote with its backslashes, or the end of the line.
_QUOTES = {
    one: rf"(\\*+{one}(?:\\{one}|{two}{one}{two}){one}|{one}{one})|(?<!\\)(\\*+)({one}|(?=[{_EOL}])|\Z)"
    for one, two in ("\"'", "'\"")
}
_ITEMS = rf"(\[redacted\]|\s{{0,20}}[bru]?[\"'][^\[\]()]{{0,{10 * _SHORT}}})"
_LISTS = rf"\[{_ITEMS}\]|\({_ITEMS}\)"
_YAML_BLOCK = r"[|>][+-]?[ \t]*\n([ \t]++)[^\n]*+(?:\n\1[^\n]*+)*"
# Unquoted, up to what follows in a list; where `=` ties closely, also up to the next `name=`.
_NEXT = r"[\s\"']|\Z"
_OTHERS = r"[\"'](?![\s,;:.)\]}>&\\]|\Z)|\\(?![\"'])"
_LOOSE = rf"(?:[^\s,;&\"'\\]|[,;&](?!{_NEXT})|{_OTHERS})++"
_TIGHT = rf"(?:[^\s,;&\"'\\]|[,;&](?!{_NEXT}|[A-Za-z][\w.-]{{1,40}}=)|{_OTHERS})++"
_WORD = r"[^\s\"'\\]++"
_PARAMETER = r"[^\s&#\"'<>\\]++"
_ENCODED = r"(?:[^\s&#\"'<>\\%]|%(?!26|23))++"
_ELEMENT = r"[^<\n\r]++(?=</)"
_REST = rf"[^{_EOL}]*+"
_HEADER_REST = rf"(?:[^\\{_EOL}]|\\(?![rn]))*+"
_SCHEME = r"(?i:bearer|basic|token|api-?key|bot|negotiate)[ \t]+(?=\S)"
_PLACEHOLDER = (
    r"(?i:(?:bearer|basic|token) )?(?:"
    r"(?i:none|null|nil|undefined|true|false|nan|str|bytes|int|bool|float|string|boolean|number|object|any|unknown)"
    r"|\.{3}|…|[-*•#]*|[xX]{3,}|%[srd]|%\(\w*\)[srd]|\{[\w.!:\[\]\"' ]*\}|\{\{.*\}\}|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*"
    r"|\$\([^)]*\)|%[A-Z_]+%|<[^<>]*>|[(\[]*\[redacted\][)\]]*)"
)
# In code: an attribute; an operator, a call or a type.
_ATTRIBUTE = r"(?:self|cls|args|opts?|options|settings|config|request|kwargs)\.[A-Za-z_.]+(?=[\s,:)\]]|\Z)"
_WITHIN = rf"[\w .,=*\"'()\[\]{{}}:/+-]{{0,{_SHORT}}}"
_EXPRESSION = (
    r"(?:await|not|lambda|yield|if|else|in|is|or|and|for|return)(?=[ \t])"
    r"|(?:[a-z_]{2,}|[A-Z][a-z]{2,}[A-Za-z]*)(?:\.[A-Za-z_]\w*)*"
    rf"(?:(?:\({_WITHIN}\)|\[{_WITHIN}\])(?=[\s,:;.)\]}}#]|\Z)|[(\[](?:[ \t{_EOL}]|\Z))"
)

_PEM_EDGE = r"-{4,5} ?(BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
_PEM_LINE = r"[A-Za-z0-9+/=]{16,}+"
_PEM_BODY = (
    r"(?:(?:\\[nr]|[\s>|+\"',\\-]){0,40}+(?:[A-Z][\w-]{2,30}: [^\n\\]{1,80}|[A-Za-z0-9+/=]{16,}+(?=[\s\"'\\]|\Z)))++"
    r"(?:(?:\\[nr]|\n)[\s>|+\\-]{0,20}+[A-Za-z0-9+/=]{1,15}+(?=[ \t]*(?:\\[nr]|[\"'\n]|\Z)))?"
)

_START = r"(?:(?<![\w-])|(?<=\\[nrt]))"
_USER = rf"(:(?:\\?/){{2}}[^\s/:?#\"'<>]{{0,{_SHORT}}}+:)(?!\d{{1,5}}(?:[/?#\s\"']|\Z)|\{{\w+\}}@)"
_BEFORE_QUERY = (
    rf"(?:(?!://)[^\s?#\"'])+(?=@[\w.-]{{1,99}}(?::\d{{1,5}})?(?:/[^\s?#@]{{0,{_SHORT}}})?\?[\w.%-]{{1,40}}=)"
)
_PREFIX = (
    r"(?:gh[pousr]_|github_pat_|gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-|xox[a-z]-|(?:sk|rk)_(?:live|test)_|whsec_"
    r"|dop_v1_|shp(?:at|ca|pa|ss)_|lsv2_(?:pt|sk)_|glsa_|dckr_pat_|rubygems_|nvapi-|GOCSPX-|ATATT3|AIza|ya29\."
    rf"|{_START}(?:sk-|npm_|pypi-|hf_|gsk_|r8_|sbp_|xapp-|xai-|pplx-|tvly-|PMAK-|figd_|hvs\.|SG\.|dapi|sntrys_))"
)
_PAIR = (
    r"(?i)(\bname[\"']?\s{0,4}[:=]\s{0,4}[\"']?[\w.-]{0,60}(?:passw|secret|token|api_?key|credential)[\w.-]{0,60}[\"']?,?"
    r"\s{0,40}[\"']?value[\"']?\s{0,4}[:=]\s{0,4}[\"']?)(?!\[redacted\]|\s)"
)
# The first group, where there is one, stays.
_SHAPES = (
    # To the last `@`, but not over a query: a password may hold `@`, `:`, `%`, and if need be quotes.
    rf"{_USER}(?:{_BEFORE_QUERY}|(?:(?!://)[^\s\"'])+(?=@)|(?:(?!://)\S){{1,{_SHORT}}}(?=@))",
    rf"(://)(?=[^/\s]{{0,{_SHORT}}}\d)[^\s/:@?#\"'<>]{{16,}}+(?=@)",
    r"(?i)\b((?:bearer|basic)(?:[ \t]{1,4}|%20|\+))(?=[\w.~+/=-]{0,99}\d|[\w.~+/=-]{24})[\w.~+/=-]{8,}+",
    rf"{_START}eyJ[\w-]{{6,}}+\.[\w-]{{2,}}+(?:\.[\w-]*+)*",
    r"(?<![A-Z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{12,}+",
    rf"{_PREFIX}(?=[a-z_-]{{0,80}}[A-Z0-9])[\w+/=-]{{16,}}+(?:\.[\w-]{{16,}}+)?",
    r"(hooks\.slack\.com/\w{1,20}/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/)[^\s\"'<>\\)\[]++",
    rf"{_PAIR}[^\"'{_EOL}]++",
    r"(?<!\d)\d{8,10}:AA[\w-]{30,}+",
    r"(?i)(\blogin\s{1,8}\S{1,100}\s{1,20}password\s{1,8})[^\s\[]\S*+",
    r"(?i)(\b(?:password|identified by)[ \t]{1,8}')(?:[^'" + _EOL + r"]|'')++(?=')",
    r"((?<!\S)(?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:\"']{1,100}:)(?!\d+(?:\s|\Z))[^\s\"']++",
)


class Redactor:
    """Removes secrets from text.

    `extra_keys`: more names whose values are secret, in any case and joined by `_`, `-` or `.`; a name also
    counts as the end of a longer one (`pin` covers `card_pin`). `values`: secrets known by heart, each of at
    least 6 characters. Raises ValueError for a shorter one, since it would blank ordinary words.
    """

    def __init__(self, extra_keys: Iterable[str] = (), values: Iterable[str] = ()) -> None:
        self._extra = frozenset(map(_words, extra_keys))
        secrets = [value.strip() for value in values]
        shortest = min(map(len, secrets), default=SHORTEST_VALUE)
        if shortest < SHORTEST_VALUE:
            raise ValueError(
                f"a secret of {shortest} characters cannot be told from ordinary text: "
                f"leave it out, or give at least {SHORTEST_VALUE}"
            )
        self._forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """`text` with `[redacted]` in place of each secret. Takes time in proportion to its length."""
        for _ in range(_ROUNDS):
            before, text = text, self._once(text)
            if text == before:
                break
        return text

    def _once(self, text: str) -> str:
        text = "".join(_cut(text, _pem_blocks(text)))
        for form in self._forms:
            # Between the marks only: a secret called "redacted" must not grow at each turn.
            text = MARK.join(part.replace(form, _mark(form)) for part in text.split(MARK))
        for pattern in map(_compiled, _SHAPES):
            text = pattern.sub(rf"\1{MARK}" if pattern.groups else MARK, text)
        return "".join(_cut(text, _named_values(text, self._extra)))


def redacted(text: str) -> str:
    """`text` without secrets, by the rules that hold everywhere; see `Redactor` for rules of your own."""
    return text if _is_plain(text) else _default().text(text)


def _is_plain(text: str) -> bool:
    """Whether no rule can apply. Most texts are plain, and finding out costs less than compiling the rules."""
    lower = text.lower()
    for stem in _STEMS:  # noqa: SIM110 - `any` would resume a generator for each stem, at twice the price
        if stem in lower:
            return False
    return True


@cache
def _default() -> Redactor:
    return Redactor()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """At first use: compiling them all costs as much as starting an interpreter."""
    return re.compile(pattern)


def _forms(secret: str) -> Iterator[str]:
    """How a secret may be written: plain, in a URL, in JSON, in Python, in HTML, in base64."""
    import base64
    import html
    import json
    from urllib.parse import quote, quote_plus

    data = secret.encode("utf-8", "surrogatepass")
    yield from (secret, html.escape(secret), html.escape(secret, quote=False))
    for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield from (encoded, re.sub("%..", lambda m: m[0].lower(), encoded))
    for literal in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret), repr(data)[1:]):
        yield from (literal[1:-1], json.dumps(literal[1:-1])[1:-1])
    # Inside a longer text, as in `user:password`, it may start at any of three phases; the characters that
    # it shares with its neighbours are left out.
    for phase in range(3):
        core = base64.b64encode(bytes(phase) + data)[(0, 2, 3)[phase] : (phase + len(data)) * 8 // 6].decode("ascii")
        yield from (core, core.replace("+", "-").replace("/", "_"))


def _mark(secret: str) -> str:
    """The mark, and the line breaks of what it stands for."""
    return MARK + "".join(_compiled(rf"[{_EOL}]").findall(secret))


def _cut(text: str, spans: Iterable[tuple[int, int, str]]) -> Iterator[str]:
    """The pieces of `text`, each span replaced by its mark."""
    done = 0
    for start, end, mark in spans:
        yield text[done:start] + mark
        done = end
    yield text[done:]


def _pem_blocks(text: str) -> Iterator[tuple[int, int, str]]:
    done = 0
    edges = list(_compiled(_PEM_EDGE).finditer(text))
    for edge, after in zip(edges, [*edges, None][1:], strict=True):
        if edge[1] == "END" or edge.start() < done:
            continue
        if after is not None and after[1] == "END":
            block = text[edge.end() : after.start()]
            # Code that mentions both edges is no key, the lines of which may well bear the prefixes of a log.
            in_lines = sum(map(len, _compiled(_PEM_LINE).findall(block)))
            if 2 * in_lines > len(block) or (len(block) <= _SHORT and MARK not in block):
                done = after.end()
        done = max(done, _end(_PEM_BODY, text, edge.end()))
        if done > edge.end():
            yield edge.start(), done, MARK


def _named_values(text: str, extra: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    position = 0
    while (found := _compiled(_NAMED).search(text, position)) is not None:
        span = _value(text, found, extra)
        position = found.end() if span is None else span[1]
        if span is not None:
            yield *span, _mark(text[slice(*span)])


def _value(text: str, found: re.Match[str], extra: frozenset[str]) -> tuple[int, int] | None:
    """Where the secret stands that belongs to a name; None when the name or the value means none."""
    name, tie, start = found["flag"] or found["name"], found["tie"] or "", found.end()
    kind = _kind(name[-_SHORT:], extra, in_query=found["query"] is not None)
    sign = tie.strip(" \t")
    if kind == NEVER or (found["address"] and sign == ":") or (sign == ">") != (found["tag"] is not None):
        return None
    opening = None if found["query"] else _compiled(_OPENING).match(text, start)
    if opening is None:
        start, end, code = _unquoted(text, found, name, tie, sign)
    elif opening[2] == text[found.start() - 1 : found.start()] and not found["quote"]:
        return None  # not a value: the end of the string that the name stands in
    else:
        start, code = opening.end(), found["quote"] is None
        end = _closing(text, start, len(opening[1]), opening[2])
        if sign == "," and not _compiled(_HEADER).search(name) and not name.startswith("--"):
            kind, code = SOMETIMES, True  # `setenv("API_KEY", "…")`, or just names side by side
    if end == start or _stays(text[start:end], name, kind, code=code):
        return None
    if code and opening is None and kind == ALWAYS and sign == "=" and _begins_line(text, found):
        end = _end(_REST, text, end)  # `passphrase = several words`
    return start, end


def _unquoted(text: str, found: re.Match[str], name: str, tie: str, sign: str) -> tuple[int, int, bool]:
    """Start and end of a value without quotes, and whether it may be code."""
    start = found.end()
    if sign == ",":
        return start, start, False
    if (listed := _compiled(_LISTS).match(text, start)) is not None:
        return start + 1, listed.end() - 1, False
    if (block := _compiled(_YAML_BLOCK).match(text, start)) is not None:
        return block.end(1), block.end(), False
    if sign == ":" and _compiled(_HEADER).search(name):
        return *_header_value(text, start, text[found.start() - 1 : found.start()]), False
    if tie == "=" and name.isupper() and _begins_line(text, found):
        return start, _end(_REST, text, start), False
    if sign == ">":
        return start, _end(_ELEMENT, text, start), False
    if found["query"]:
        return start, _end(_ENCODED if sign.startswith("%") else _PARAMETER, text, start), False
    end = _end(_TIGHT if tie == "=" and name[0] != "-" else _LOOSE, text, start)
    code = "-" not in name and (sign.startswith(":") or tie != sign)
    if end - start <= _SHORT and (
        _compiled(_ATTRIBUTE).match(text, start) or (code and _compiled(_EXPRESSION).match(text, start))
    ):
        return start, start, code
    for _ in range(8):  # brackets that the surroundings opened
        opener = {")": "(", "]": "[", "}": "{", ">": "<", ":": "?", ",": "?"}.get(text[end - 1 : end])
        if opener is None or text.count(opener, start, end) >= text.count(text[end - 1], start, end):
            break
        end -= 1
    return start, max(start, end), code


def _header_value(text: str, start: int, quote: str) -> tuple[int, int]:
    scheme = _compiled(_SCHEME).match(text, start)
    if scheme is not None:
        return scheme.end(), _end(_WORD, text, scheme.end())
    end = _end(_HEADER_REST, text, start)
    closing = text.find(quote, start, end) if quote in {'"', "'"} else -1
    return start, end if closing < 0 else closing


def _closing(text: str, start: int, slashes: int, quote: str) -> int:
    """The end of what is quoted since `start`, or of the line. `slashes`: how many stood before the quote,
    which tells how deep a string in a string we are."""
    if len(quote) == 3 and (end := text.find(quote, start, start + 50 * _SHORT)) >= 0:
        return end
    for found in _compiled(_QUOTES[quote[0]]).finditer(text, start):
        if found[1] and not slashes and found.start() > start:
            continue  # a shell and SQL go on: 'it'\''s', 'it''s'
        if found[3] == "":
            return found.end()
        count = len(found[2] or "")
        # Two backslashes end a string with a backslash, or in the repr of JSON are its escape: rather too much.
        if count < slashes or (count % (2 * (slashes + 1)) == slashes and (slashes or count % 4 == 0)):
            return found.start() + max(0, count - slashes)
    return len(text)


@lru_cache(maxsize=4096)
def _words(name: str) -> str:
    return _compiled(r"(?<=[a-z0-9])(?=[A-Z])|[.-]+").sub("_", name).lower().strip("_")


@lru_cache(maxsize=4096)
def _kind(name: str, extra: frozenset[str], *, in_query: bool) -> int:
    words = _words(name)
    if any(words == word or words.endswith("_" + word) for word in extra):
        return ALWAYS
    if _compiled(_NEVER).search(words):
        return NEVER
    if _compiled(_ALWAYS).search(words) or (in_query and _compiled(_IN_QUERY).search(words)):
        return ALWAYS
    if name.isupper() and _compiled("_token$|^token_").search(words):
        return ALWAYS
    return SOMETIMES if _compiled(_SOMETIMES).search(words) else NEVER


def _stays(value: str, name: str, kind: int, *, code: bool) -> bool:
    """Whether a value under a secret's name is plainly none."""
    if len(value) > _SHORT:
        return False
    words = _words(name)
    if _compiled(_PLACEHOLDER).fullmatch(value) or value.lower() in {words, words.rpartition("_")[2]}:
        return True
    if kind == ALWAYS:
        return False
    mixed = len(value) >= 20 and value.isalnum() and not value.islower() and not value.isupper()
    drawn = len(value) >= 8 and sum(map(str.isdigit, value)) >= 2 and not value.isdigit()
    return (code and not ((mixed or drawn) and " " not in value)) or (value.isdigit() and len(value) < 6)


def _begins_line(text: str, found: re.Match[str]) -> bool:
    return _compiled(_LINE_START).search(text[max(0, found.start() - 40) : found.start()]) is not None


def _end(pattern: str, text: str, start: int) -> int:
    found = _compiled(pattern).match(text, start)
    return start if found is None else found.end()
