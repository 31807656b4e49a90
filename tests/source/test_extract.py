"""What one file says: every kind of statement and expression, and every kind of file that says nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from guardrails.source import extract as module
from guardrails.source.extract import MAX_BYTES, digest, empty
from tests.source.projects import facts_of

if TYPE_CHECKING:
    from pathlib import Path


def value_of(expression: str) -> Any:
    """How an expression is reduced."""
    (bind,) = facts_of(f"x = {expression}")["binds"]
    return bind[4]


@pytest.mark.parametrize(
    ("expression", "reduced"),
    [
        ("name", "name"),
        ("a.b.c", "a.b.c"),
        ("'text'", ["c", "text"]),
        ("'a' 'b'", ["c", "ab"]),
        ("42", ["c", 42]),
        ("-42", ["?"]),
        ("1.5", ["c", 1.5]),
        ("True", ["c", True]),
        ("None", ["c", None]),
        ("...", ["?"]),
        ("b'bytes'", ["?"]),
        ("2j", ["?"]),
        ("1e999", ["?"]),
        (str(2**63 - 1), ["c", 2**63 - 1]),
        (str(2**63), ["?"]),
        ("f()", ["()", "f", [], {}]),
        ("f(a, *b, c=1, **d)", ["()", "f", ["a", ["*", "b"]], {"c": ["c", 1], "**": "d"}]),
        ("a.b(1).c(2)", ["()", [".", ["()", "a.b", [["c", 1]], {}], "c"], [["c", 2]], {}]),
        ("f(1)(2)", ["()", ["()", "f", [["c", 1]], {}], [["c", 2]], {}]),
        ("f'a{b}c{d.e}'", ["f", [["c", "a"], "b", ["c", "c"], "d.e"]]),
        ("f'{a!r}{b:>3}'", ["f", [["?"], ["?"]]]),
        ("f'{{}}'", ["f", [["c", "{}"]]]),
        ("a + b + 'c'", ["+", ["+", "a", "b"], ["c", "c"]]),
        ("a - b", ["?"]),
        ("[a, 'b']", ["[]", ["a", ["c", "b"]]]),
        ("(a, b)", ["[]", ["a", "b"]]),
        ("{'a'}", ["[]", [["c", "a"]]]),
        ("{'a': 1}", ["?"]),
        ("a if b else c", ["|", ["a", "c"]]),
        ("a or b or 'c'", ["|", ["a", "b", ["c", "c"]]]),
        ("a[0]", ["?"]),
        ("a[0].b", [".", ["?"], "b"]),
        ("lambda: 1", ["?"]),
        ("[x for x in y]", ["?"]),
        ("(y := f())", ["?"]),
        ("not a", ["?"]),
        ("a < b", ["?"]),
    ],
)
def test_an_expression_is_reduced_to_what_rules_ask_for(expression: str, reduced: Any) -> None:
    assert value_of(expression) == reduced


def test_what_is_awaited_is_what_is_called() -> None:
    facts = facts_of("async def f():\n    x = await g(1)\n    await h()\n    return await k\n")
    assert facts["binds"] == [[1, "", 2, "x", ["()", "g", [["c", 1]], {}]]]
    assert facts["calls"] == [[1, "", 3, ["()", "h", [], {}]]]
    assert facts["scopes"][1][7] == ["k"]


def test_a_file_s_scopes_are_its_classes_and_functions_with_their_places() -> None:
    facts = facts_of(
        """
        @outer(1)
        class A(Base, metaclass=Meta):
            @staticmethod
            async def m(a: int, /, b, *args, c: "str" = 1, **kwargs):
                def inner(): ...
                return inner
        """
    )
    names = [(kind, name, line, parent) for kind, name, line, parent, *_ in facts["scopes"]]
    assert names == [("module", "", 1, -1), ("class", "A", 3, 0), ("async", "m", 5, 1), ("def", "inner", 6, 2)]
    assert facts["scopes"][1][5:] == [[[2, ["()", "outer", [["c", 1]], {}]]], [], [], ["Base"]]
    assert facts["scopes"][2][5:8] == [
        [[4, "staticmethod"]],
        [["a", "int"], ["b", None], ["c", ["c", "str"]]],
        ["inner"],
    ]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import a", [[1, 0, "", 0, "a", None, None]]),
        ("import a.b.c as d, e", [[1, 0, "", 0, "a.b.c", None, "d"], [1, 0, "", 0, "e", None, None]]),
        ("from a.b import c, d as e", [[1, 0, "", 0, "a.b", "c", None], [1, 0, "", 0, "a.b", "d", "e"]]),
        ("from . import a", [[1, 0, "", 1, "", "a", None]]),
        ("from ...a import *", [[1, 0, "", 3, "a", "*", None]]),
    ],
)
def test_an_import_says_what_it_takes_and_from_where(statement: str, expected: list[Any]) -> None:
    assert facts_of(statement)["imports"] == expected


@pytest.mark.parametrize(
    ("statement", "targets"),
    [
        ("a = b = 1", [("a", ["c", 1]), ("b", ["c", 1])]),
        ("a: int = 1", [("a", ["c", 1])]),
        ("a: int", []),
        ("a += 1", [("a", ["?"])]),
        ("a, b = f()", [("a", ["?"]), ("b", ["?"])]),
        ("[a, *b] = f()", [("a", ["?"]), ("b", ["?"])]),
        ("a, (b, c.d) = f()", [("a", ["?"]), ("b", ["?"]), ("c.d", ["?"])]),
        ("self.x.y = 1", [("self.x.y", ["c", 1])]),
        ("a[0] = 1", []),
        ("f().a = 1", []),
        ("for a in b: pass", [("a", ["?"])]),
        ("for a, b in c: pass", [("a", ["?"]), ("b", ["?"])]),
        ("with f() as a, g() as (b, c): pass", [("a", ["()", "f", [], {}]), ("b", ["?"]), ("c", ["?"])]),
    ],
)
def test_a_statement_binds_names(statement: str, targets: list[tuple[str, Any]]) -> None:
    assert [(bind[3], bind[4]) for bind in facts_of(statement).get("binds", [])] == targets


@pytest.mark.parametrize(
    ("source", "arms"),
    [
        ("if a:\n f()\nelif b:\n f()\nelse:\n f()\nf()", ["/1:0", "/1:1", "/1:2", ""]),
        ("if a:\n if b:\n  f()\n else:\n  f()", ["/1:0/2:0", "/1:0/2:1"]),
        ("if a:\n f()\nelse:\n if b:\n  f()\n f()", ["/1:0", "/1:1/4:0", "/1:1"]),
        ("if TYPE_CHECKING:\n f()\nelse:\n f()", ["/1:types", "/1:1"]),
        ("if typing.TYPE_CHECKING:\n f()", ["/1:types"]),
        (
            "try:\n f()\nexcept A:\n f()\nexcept B:\n f()\nelse:\n f()\nfinally:\n f()",
            ["/1:try", "/1:try", "/1:1", "/1:2", ""],
        ),
        ("try:\n f()\nexcept* A:\n f()", ["/1:try", "/1:1"]),
        ("try:\n f()\nfinally:\n f()", ["", ""]),
        ("match a:\n case 1:\n  f()\n case _:\n  f()", ["/1:0", "/1:1"]),
        ("for a in b:\n f()\nelse:\n f()", ["/1:loop", ""]),
        ("while a:\n f()\n if b:\n  f()", ["/1:loop", "/1:loop/3:0"]),
        ("with a:\n f()", [""]),
        ("async def g():\n async for a in b:\n  f()\n async with c:\n  f()", ["/2:loop", ""]),
    ],
)
def test_an_arm_says_under_which_condition_a_call_stands(source: str, arms: list[str]) -> None:
    assert [call[1] for call in facts_of(source)["calls"]] == arms


def test_the_body_of_a_function_in_a_branch_starts_anew() -> None:
    facts = facts_of("if a:\n    def f():\n        g()\n")
    assert (facts["scopes"][1][4], facts["calls"][0][1]) == ("/1:0", "")


def test_what_a_fixture_yields_counts_as_returned() -> None:
    facts = facts_of("def f():\n    yield client\n    x = yield other\n    yield\n")
    assert facts["scopes"][1][7] == ["client"]


def test_docstrings_that_show_a_decorator_are_kept_and_others_are_not() -> None:
    facts = facts_of('"""@module"""\n\n\ndef f():\n    """none"""\n\n\nclass A:\n    "x @y"\n    z = """@no"""\n')
    assert facts["texts"] == [[0, 1, "@module"], [2, 9, "x @y"]]


def test_requests_are_found_wherever_they_stand_in_a_module_that_speaks_of_a_client() -> None:
    source = "r = [client.get('/a').json(), c.d.request('GET', f'/b/{x}', data)]\nclient.get()\nclient.fetch('/c')\n"
    requests = facts_of(source)["requests"]
    assert sorted(requests, key=str) == [
        [1, "c.d", "request", [["c", "GET"], ["f", [["c", "/b/"], "x"]]]],
        [1, "client", "get", [["c", "/a"]]],
    ]
    assert "requests" not in facts_of("session.get('/a')")


def test_addresses_of_this_machine_are_kept() -> None:
    facts = facts_of("# client\nA = 'http://localhost:8000/x'\nB = f'http://127.0.0.1:{p}'\nC = 'http://example.org'\n")
    assert facts["urls"] == ["http://localhost:8000/x", "http://127.0.0.1:"]


@pytest.mark.parametrize(
    ("data", "lines"),
    [(b"", 0), (b"x = 1", 1), (b"x = 1\n", 1), (b"\n\n", 2), (b"x = 1\r\ny = 2\r\n", 2), (b"x = (\n1)\n", 2)],
)
def test_lines_are_counted(data: bytes, lines: int) -> None:
    assert facts_of(data)["lines"] == lines


def test_an_empty_file_needs_no_parser() -> None:
    facts = facts_of(b"")
    assert {key: facts[key] for key in empty()} == empty()


@pytest.mark.parametrize(
    "data",
    [
        "x = 'ü'\n".encode(),
        b"\xef\xbb\xbfx = '\xc3\xbc'\n",
        b"# -*- coding: latin-1 -*-\nx = '\xfc'\n",
        "x = 'ü'\r\n".encode(),
        "x = 'ü'\r".encode(),
    ],
)
def test_a_file_is_read_in_its_own_encoding_and_line_ends(data: bytes) -> None:
    assert facts_of(data)["binds"] == [[0, "", 2 if b"coding" in data else 1, "x", ["c", "ü"]]]


def test_half_a_surrogate_pair_becomes_something_that_can_be_written() -> None:
    facts = facts_of('"""@\\udcff"""\nx = "a\\ud800b"\ndef f(y="\\udfff"): ...\n# client\nc.get("\\ud800")\n')
    assert facts["binds"][0][4] == ["c", "a?b"]
    assert facts["texts"][0][2] == "@?"
    assert orjson.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"def (:\n", "line 1: invalid syntax"),
        (b"x = 1\n  y = 2\n", "line 2: unexpected indent"),
        (b"print 'python 2'\n", "line 1: Missing parentheses"),
        (b"# -*- coding: nothing -*-\n", "unknown encoding: nothing"),
        (b"\xff\xfe\xfa", "invalid"),
        (b"x = '\xfc'\n", "line 1"),
        (b"x = {{ name }}\n{% if y %}\n", "line 2: a template, not Python"),
        (b"class {{ cookiecutter.name }}:\n", "line 1: a template, not Python"),
        (b"x\0y", "binary: holds a NUL byte"),
        (b"#" * (MAX_BYTES + 1), "larger than 1,048,576 bytes"),
        (b"x = " + b"9" * 5000, "line 1"),
        (b"x = " + b"(" * 300 + b")" * 300, ""),
        (b"x = " + b"-" * 100_000 + b"1", ""),
        (b"if x:\n" + b"".join(b" " * n + b"if x:\n" for n in range(1, 150)), ""),
    ],
)
def test_a_file_that_cannot_be_analysed_says_why(data: bytes, reason: str) -> None:
    facts = facts_of(data)
    assert reason in facts["error"]
    assert facts["sha"] == digest(data)
    assert "scopes" not in facts


def test_a_file_of_the_greatest_size_is_analysed() -> None:
    assert facts_of(b"x = 1\n" + b"#" * (MAX_BYTES - 6))["lines"] == 2


def test_a_chain_of_thousands_of_branches_is_walked_without_depth() -> None:
    source = "if a == 0:\n    f()\n" + "".join(f"elif a == {n}:\n    f()\n" for n in range(1, 2000))
    done = in_a_worker(source.encode())
    assert len(done["calls"]) == 2000
    assert done["calls"][-1][1] == "/1:1999"


@pytest.mark.parametrize(
    "source",
    [
        "x = " + " + ".join(["'a'"] * 2000),
        "x = " + "a." * 2000 + "b",
        "x = f" + "()" * 500,
        "x = " + "[" * 90 + "]" * 90,
        "f(" * 90 + ")" * 90,
        "".join(f"{' ' * n}def f{n}():\n" for n in range(90)) + " " * 90 + "pass\n",
    ],
    ids=["sum", "attributes", "calls", "lists", "arguments", "functions"],
)
def test_deep_nesting_is_cut_and_not_a_crash(source: str) -> None:
    facts = in_a_worker(source.encode())
    assert "scopes" in facts or "nested too deeply" in facts["error"] or "parser gave up" in facts["error"]


def test_the_grammar_may_be_an_older_one() -> None:
    source = "match x:\n    case 1: ...\n"
    assert "scopes" in facts_of(source)
    assert "only supported in Python 3.10" in facts_of(source, (3, 9))["error"]


def in_a_worker(data: bytes) -> dict[str, Any]:
    """As a worker answers: under its recursion limit, in a process of its own."""
    code = f"import sys, runpy; sys.setrecursionlimit(5000); m = runpy.run_path({module.__file__!r}); "
    code += "import json; print(json.dumps(m['extract'](sys.stdin.buffer.read())))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(orjson.loads(done.stdout))


def test_a_worker_answers_one_line_a_file_in_the_order_asked(tmp_path: Path) -> None:
    for name, text in [("a.py", "x = 1\n"), ("b.py", "def (\n"), ("c.py", "match x:\n case 1: ...\n")]:
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in ("b.py", "gone.py", "a.py", "c.py")]
    requests = [{"paths": paths, "feature": None}, {"paths": paths[3:], "feature": [3, 9]}]
    done = subprocess.run(
        [sys.executable, "-I", "-S", module.__file__],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [sorted(answer.keys() & {"error", "scopes"}) for answer in answers] == [
        ["error"],
        ["error"],
        ["scopes"],
        ["scopes"],
        ["error"],
    ]
    assert answers[1] == {"error": "cannot be read: No such file or directory"}


def test_a_worker_needs_no_site_packages() -> None:
    """It runs under any Python: whatever it imports is of the standard library."""
    code = f"import runpy, sys; runpy.run_path({module.__file__!r}); print([m for m in sys.modules if 'guard' in m])"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("source", "promised"),
    [
        ("__all__ = ['a', 'b']", [[1, "a"], [1, "b"]]),
        ("__all__: list[str] = ['a']", [[1, "a"]]),
        ("__all__ = ['a'\n 'b']", [[1, "ab"]]),
        ("__all__ = ['a'] + ['b']\n__all__ += ('c',)", [[1, "b"], [1, "a"], [2, "c"]]),
        ("__all__ = ['a']\n__all__.append('b')\n__all__.extend(['c'])", [[1, "a"], [2, "b"], [3, "c"]]),
        ("__all__ = ['a']\n__all__ = ['b']", [[2, "b"]]),
        ("__all__ = ['a']\n__all__.remove('a')", None),
        ("if x:\n __all__ = ['a']", None),
        ("__all__ = [a]", None),
        ("def f():\n __all__ = ['a']", None),
    ],
)
def test_what_a_module_promises_is_kept_as_far_as_it_is_written_out(source: str, promised: object) -> None:
    assert facts_of(source).get("all") == promised


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f():\n global a, b\n a = 1", ["a", "b"]),
        ("a: int", ["a"]),
        ("if (a := 1): pass", ["a"]),
        ("[a := 1 for x in y]", ["a"]),
        ("def f():\n if (a := 1): pass", None),
        ("class A:\n a: int", None),
    ],
)
def test_names_that_no_statement_shows_are_kept(source: str, names: object) -> None:
    assert facts_of(source).get("also") == names


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("globals()['a'] = 1", "open"),
        ("import sys\nsys.modules[__name__] = 1", "open"),
        ("replace(__name__, 1)", "open"),
        ("__path__ = []", "open"),
        ("import sys\nsys.path.insert(0, '.')", "paths"),
        ("if __name__ == '__main__': pass", "main"),
        ("raise ImportError", "raises"),
    ],
)
def test_what_changes_imports_is_kept(source: str, key: str) -> None:
    facts = facts_of(source)
    assert [name for name in ("open", "paths", "main", "raises") if facts.get(name)] == [key]


def test_an_ordinary_module_changes_nothing() -> None:
    facts = facts_of("import sys\nlog = getLogger(__name__)\nif x:\n raise ImportError\ndef f():\n raise ValueError\n")
    assert [name for name in ("open", "paths", "main", "raises", "all", "also") if name in facts] == []


def test_a_name_of_an_import_of_several_lines_has_its_own_line() -> None:
    facts = facts_of("from a import (\n    b,\n    c,\n)\nimport d")
    assert [(item[0], item[5], item[7:]) for item in facts["imports"]] == [(1, "b", [1]), (1, "c", [2]), (5, None, [])]


def test_an_import_inside_a_with_is_marked() -> None:
    facts = facts_of("with a:\n import b\n def f():\n  import c\nimport d")
    assert [item[2] for item in facts["imports"]] == ["/1:with", "/1:with", ""]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement is new in Python 3.12")
def test_a_type_alias_binds_its_name() -> None:
    assert [bind[3] for bind in facts_of("type Ids = list[int]")["binds"]] == ["Ids"]


def test_patterns_bind_their_names() -> None:
    facts = facts_of("match a:\n case [b, *c]: pass\n case {'x': d, **e} as f: pass")
    assert sorted(bind[3] for bind in facts["binds"]) == ["b", "c", "d", "e", "f"]
