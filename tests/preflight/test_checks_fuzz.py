"""No check crashes, whatever stands in a decorator, a call or a path: made-up applications and damaged real ones."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from guardrails.preflight.checks import decorators, imports, routes, shadow
from guardrails.preflight.context import Context
from guardrails.source import Layout, Module, Root
from guardrails.source.extract import extract
from guardrails.source.model import Project
from guardrails.source.target import RUNNING, Target
from tests.preflight.cases import corpus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from guardrails.evidence import Finding

HEAD = """\
import functools
from celery import Celery, shared_task
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from flask import Blueprint, Flask
from app.b import *
from .a import router as other
app = FastAPI()
router = APIRouter(prefix="/x")
bp = Blueprint("b", __name__)
celery = Celery()
client = TestClient(app)
def wrap(f):
    def inner(): ...
    return inner
"""
NAMES = st.sampled_from(
    ["app", "router", "bp", "celery", "client", "other", "self.router", "wrap", "x", "P", "functools"]
)
PATHS = st.sampled_from(
    ["/", "/{a}", "/{a:path}", "/{a:int}/b", "/a", "", "{", "/{a}.{b}", "a", "/<int:x>", "/\\x00x", "/ü"]
)
LEAVES = st.one_of(
    NAMES, PATHS.map(repr), st.sampled_from(["1", "None", "[]", "['GET', 3]", "[P]", "...", "*x", "b''", "P"])
)


VERBS = st.sampled_from(
    (  # noqa: SIM905 - sixteen lines for sixteen words
        "get post route api_route websocket task include_router register_blueprint mount add_api_route add_url_rule "
        "middleware exception_handler before_request request stream x"
    ).split()
)


def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    bare = inner.map(lambda text: text.lstrip("*"))
    keywords = st.sampled_from(
        ["prefix", "url_prefix", "methods", "path", "rule", "router", "endpoint", "base_url", "host"]
    )
    arguments = st.tuples(
        st.lists(inner, max_size=2), st.dictionaries(keywords, bare, max_size=2), st.sampled_from(["", "**x"])
    ).map(lambda p: ", ".join([*p[0], *(f"{k}={v}" for k, v in p[1].items()), *([p[2]] if p[2] else [])]))
    return st.one_of(
        st.tuples(bare, VERBS, arguments).map(lambda p: f"({p[0]}).{p[1]}({p[2]})"),
        st.tuples(NAMES, VERBS, arguments).map(lambda p: f"{p[0]}.{p[1]}({p[2]})"),
        st.tuples(st.sampled_from(["APIRouter", "FastAPI", "Flask", "wrap", "functools.partial", "x"]), arguments).map(
            lambda p: f"{p[0]}({p[1]})"
        ),
        st.tuples(bare, bare).map(" + ".join),
        st.tuples(bare, bare).map("({0[0]} or {0[1]})".format),
        bare.map(lambda one: f"({one})[0]"),
        st.tuples(NAMES, PATHS).map(
            lambda p: f"f'{p[1]}{{{p[0]}}}'" if "{" not in p[1] and "\\" not in p[1] else "f'{1}'"
        ),
    )


EXPRESSIONS = st.recursive(LEAVES, deeper, max_leaves=5).map(lambda text: text.lstrip("*"))
STATEMENTS = st.one_of(
    EXPRESSIONS,
    st.tuples(NAMES, EXPRESSIONS).map(" = ".join),
    st.tuples(st.lists(EXPRESSIONS, min_size=1, max_size=3), NAMES).map(
        lambda p: (
            "".join(f"@{d}\n" for d in p[0])
            + f"def f(self, router, y: {p[1]} = 1):\n    '''@wrap\n    @app.task\n    def f()'''\n    return {p[1]}"
        )
    ),
    EXPRESSIONS.map(
        lambda e: (
            f"class A(APIRouter, {e}):\n    router = {e}\n    def m(self):\n        self.router = {e}\n        {e}"
        )
    ),
    EXPRESSIONS.map(lambda e: f"if {e}:\n    {e}\nelse:\n    @app.get({e})\n    def g(): ..."),
    EXPRESSIONS.map(lambda e: f"def make(router):\n    {e}\n    return {e}\nmade = make({e})"),
)
# What applications consist of, so that something is found.
ROUTES = st.tuples(
    st.sampled_from(["", "@wrap\n", "@functools.cache\n"]),
    st.sampled_from(["app", "router", "other", "bp", "celery"]),
    st.sampled_from(["get", "post", "route", "websocket", "task", "exception_handler"]),
    PATHS,
).map(lambda p: f"{p[0]}@{p[1]}.{p[2]}({p[3]!r})\ndef f(): ...")
MOUNTS = st.tuples(st.sampled_from(["router", "other"]), st.sampled_from(["", ", prefix='/x'", ", prefix=P"])).map(
    lambda p: f"app.include_router({p[0]}{p[1]})"
)
SOURCES = st.lists(st.one_of(STATEMENTS, ROUTES, ROUTES, MOUNTS), max_size=10).map(
    lambda statements: HEAD + "\n".join(statements) + "\n"
)
FAMILIES = {"shadow": shadow, "imports": imports, "decorators": decorators, "routes": routes}


def findings_in(sources: Mapping[str, str], folder: Path) -> list[Finding]:
    """What all checks find in modules that were never on a disk. Raises what a check raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facts = {path: extract(text.encode("utf-8", "replace")) for path, text in sources.items()}
    modules = {path: Module(path, said) for path, said in facts.items() if "error" not in said}
    layout = Layout((Root("", "entry", "Procfile:1", "uvicorn app.a:app"),), None, {})
    target = Target(RUNNING, False, "x")
    rejected = tuple((path, said["line"], said["error"]) for path, said in facts.items() if "syntax" in said)
    context = Context(Project(folder, layout, target, modules, (), (), (), frozenset(sources), rejected))
    return [finding for family in FAMILIES.values() for finding in family.check(context)]


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nowhere")


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(SOURCES, SOURCES, SOURCES)
@example(HEAD + "router.get()\n@router.get\ndef f(): ...\n", "client.get(f'/{1}/{None}')\n", "client.request('GET')\n")
@example(HEAD + "@router.get(*a, **b)\ndef f(): ...\n", "@(lambda f: f)\n@app.task()()\ndef g(): ...\n", "")
@example(HEAD + "app.include_router()\napp.include_router(router=1)\n", "P = P + P\n", "client.stream(x, '/y')\n")
def test_no_check_crashes_on_a_made_up_application(nowhere: Path, one: str, two: str, three: str) -> None:
    sources = {"app/a.py": one, "app/b.py": two, "tests/test_c.py": three}
    for finding in findings_in(sources, nowhere):
        assert finding.path in (*sources, ".")
        assert finding.message


@given(st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_no_check_crashes_on_a_mixture_of_the_corpus(nowhere: Path, rng: object) -> None:
    shuffled = rng.sample(LINES, k=60)  # type: ignore[attr-defined]
    chosen = rng.sample(range(len(FILES)), k=3)  # type: ignore[attr-defined]
    sources = {f"app/m{number}.py": FILES[index] for number, index in enumerate(chosen)}
    sources["app/mixed.py"] = HEAD + "\n".join(line for line in shuffled if not line.startswith((" ", "@", ")", "]")))
    assert findings_in(sources, nowhere) is not None


FILES = [text for case in corpus() for path, text in case.files.items() if path.endswith(".py") and text.strip()]
LINES = [line for text in FILES for line in text.splitlines() if line.strip()]


def test_made_up_applications_show_findings(nowhere: Path) -> None:
    """Otherwise the tests above would show nothing."""
    rules: set[str] = set()

    @settings(max_examples=150, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(SOURCES, SOURCES, SOURCES)
    def collect(one: str, two: str, three: str) -> None:
        rules.update(f.rule for f in findings_in({"app/a.py": one, "app/b.py": two, "tests/test_c.py": three}, nowhere))

    collect()
    assert len(rules) >= 4


@pytest.mark.long
def test_no_check_crashes_however_long_one_tries(nowhere: Path) -> None:
    """Long: `make test-long` sets the number of examples to 3,000."""
    test_no_check_crashes_on_a_made_up_application(nowhere)
    test_no_check_crashes_on_a_mixture_of_the_corpus(nowhere)
