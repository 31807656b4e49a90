"""What a name stands for: through every form of import, through factories, classes and instances, and no further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardrails.source import Module, Names, Place, extract
from guardrails.source.layout import Layout, Root
from guardrails.source.model import Bind, Project, Scope
from guardrails.source.target import RUNNING, Target
from tests.source.projects import facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardrails.source.names import Meaning


def names_of(files: Mapping[str, str], roots: tuple[str, ...] = ("",), requirements: tuple[str, ...] = ()) -> Names:
    """Names across modules that were never on a disk."""
    from pathlib import Path

    modules = {path: Module(path, facts_of(text)) for path, text in files.items()}
    layout = Layout(
        tuple(Root(root, "entry", "Procfile:1", "x") for root in roots), None, {name: ["x"] for name in requirements}
    )
    target = Target(RUNNING, False, "x")
    return Names(Project(Path(), layout, target, modules, (), (), (), frozenset(files)))


def shown(meaning: Meaning) -> str:
    """`str` as it is; a place as `path:line kind`."""
    if meaning is None or isinstance(meaning, str):
        return str(meaning)
    item = meaning.item
    kind = "bind" if isinstance(item, Bind) else item.kind if isinstance(item, Scope) else "file"
    return f"{meaning.module.path}:{getattr(item, 'line', 0)} {kind}"


def find(files: Mapping[str, str], dotted: str, at: str = "app/x.py", **options: object) -> str:
    names = names_of(files, **options)  # type: ignore[arg-type]
    return shown(names.find(names.modules[at], dotted))


PACKAGE = {
    "app/__init__.py": "",
    "app/core.py": "def f(): ...\n\nclass A: ...\n\nv = 1\n",
    "app/sub/__init__.py": "from ..core import f as g\n",
    "app/sub/deep.py": "class D: ...\n",
}


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("def here(): ...", "here", "app/x.py:1 def"),
        ("import app.core", "app.core.f", "app/core.py:1 def"),
        ("import app.core", "app", "app/__init__.py:0 file"),
        ("import app.core as c", "c.A", "app/core.py:3 class"),
        ("import app", "app.core.v", "app/core.py:5 bind"),
        ("from app import core", "core.f", "app/core.py:1 def"),
        ("from app.core import f", "f", "app/core.py:1 def"),
        ("from app.core import f as other", "other", "app/core.py:1 def"),
        ("from .core import f", "f", "app/core.py:1 def"),
        ("from . import core", "core.A", "app/core.py:3 class"),
        ("from .sub import g", "g", "app/core.py:1 def"),
        ("from app.sub import deep", "deep.D", "app/sub/deep.py:1 class"),
        ("from app.core import *", "f", "app/core.py:1 def"),
        ("from app.sub import *", "g", "app/core.py:1 def"),
        ("from app.core import gone", "gone", "None"),
        ("from app.gone import f", "f", "app.gone.f"),
        ("from .gone import f", "f", "None"),
        ("from ....above import f", "f", "None"),
        ("import fastapi", "fastapi.APIRouter", "fastapi.APIRouter"),
        ("import fastapi.routing as r", "r.APIRouter", "fastapi.routing.APIRouter"),
        ("from fastapi import APIRouter", "APIRouter", "fastapi.APIRouter"),
        ("from fastapi import APIRouter as R", "R.get", "fastapi.APIRouter.get"),
        ("from fastapi import *", "APIRouter", "None"),
        ("x = 1", "y", "None"),
        ("x = 1", "x.y.z", "None"),
        ("a = b\nb = a", "a", "app/x.py:1 bind"),
        ("from app.core import f\nalias = f", "alias", "app/core.py:1 def"),
        ("from celery import Celery\napp = Celery()\ntask = app.task", "task", "celery.Celery.task"),
        ("import app.core\nr = app.core.A()", "r.y", "None"),
    ],
)
def test_a_name_is_followed_through_every_form_of_import(source: str, name: str, expected: str) -> None:
    assert find({**PACKAGE, "app/x.py": source}, name) == expected


def test_modules_that_re_export_one_another_in_a_circle_end() -> None:
    files = {
        "app/x.py": "from app.a import f",
        "app/a.py": "from app.b import f",
        "app/b.py": "from app.a import f",
    }
    assert find(files, "f") == "None"


def test_a_chain_of_re_exports_is_followed_as_far_as_code_goes() -> None:
    files = {f"app/m{n}.py": f"from app.m{n + 1} import f" for n in range(7)}
    files |= {"app/m7.py": "def f(): ...", "app/x.py": "from app.m0 import f"}
    assert find(files, "f") == "app/m7.py:1 def"
    files = {f"app/m{n}.py": f"from app.m{n + 1} import f" for n in range(40)}
    assert find({**files, "app/x.py": "from app.m0 import f"}, "f") == "None"


def test_star_imports_that_weave_a_web_end_and_find_what_is_there() -> None:
    web = {f"app/m{n}.py": "".join(f"from app.m{m} import *\n" for m in range(6) if m != n) for n in range(6)}
    web["app/m5.py"] += "def f(): ...\n"
    assert find({**web, "app/x.py": "from app.m0 import *\n"}, "f") == "app/m5.py:6 def"
    assert find({**web, "app/x.py": "from app.m0 import *\n"}, "gone") == "None"


def test_factories_that_call_one_another_in_a_circle_end() -> None:
    body = "".join(f"    if x == {n}: return f{n}()\n" for n in range(6))
    source = "".join(f"def f{n}(x):\n{body}" for n in range(6)) + "made = f0(1)\n"
    names = names_of({"x.py": source})
    assert names.type_of(names.modules["x.py"], "made", 0, None) is None


def test_a_factory_that_calls_itself_makes_what_its_other_returns_make() -> None:
    source = "def make(n):\n    if n:\n        return make(n - 1)\n    return FastAPI()\n"
    names = names_of({"x.py": f"from fastapi import FastAPI\n{source}m = make(3)\n"})
    assert names.type_of(names.modules["x.py"], "m", 0, None) == "fastapi.FastAPI"


def test_classes_that_derive_from_one_another_in_a_circle_end() -> None:
    bases = ", ".join(f"C{n}" for n in range(6))
    source = "".join(f"class C{n}({bases}): ...\n" for n in range(6)) + "made = C0()\n"
    names = names_of({"x.py": source})
    assert names.ancestry(names.type_of(names.modules["x.py"], "made", 0, None)) == []


def test_a_class_may_derive_from_what_bore_its_name_before() -> None:
    source = "from celery import Celery\nclass Celery(Celery):\n    def extra(self): ...\napp = Celery()\n"
    names = names_of({"x.py": source})
    module = names.modules["x.py"]
    assert names.ancestry(names.type_of(module, "app", 0, None)) == ["celery.Celery"]
    assert names.find(module, "app.task") == "celery.Celery.task"
    assert shown(names.find(module, "app.extra")) == "x.py:3 def"


@pytest.mark.parametrize(
    ("line", "expected"),
    [(2, "a.A"), (3, "a.A"), (4, "b.A"), (9, "b.A"), (None, "b.A")],
)
def test_a_name_means_what_it_was_bound_to_last(line: int | None, expected: str) -> None:
    names = names_of({"x.py": "from a import A\nuse(A)\nuse(A)\nfrom b import A\n"})
    assert names.find(names.modules["x.py"], "A", 0, line) == expected


def test_a_name_that_is_used_before_it_is_bound_means_its_first_binding() -> None:
    names = names_of({"x.py": "\n\nfrom a import A\nfrom b import A\n"})
    assert names.find(names.modules["x.py"], "A", 0, 1) == "a.A"


SCOPES = """\
from lib import outer, shared

class K:
    member = 1
    def method(self, argument, typed: shared.T, quoted: "shared.Q", other: list[int]):
        local = outer.Thing()
        self.made = outer.Made()
        def inner():
            use(local)
"""


@pytest.mark.parametrize(
    ("name", "scope", "expected"),
    [
        ("local", 2, "x.py:6 bind"),
        ("local", 3, "x.py:6 bind"),
        ("local", 0, "None"),
        ("member", 1, "x.py:4 bind"),
        ("member", 2, "None"),
        ("self.member", 2, "x.py:4 bind"),
        ("self.made", 2, "x.py:7 bind"),
        ("self.made.x", 2, "lib.outer.Made.x"),
        ("self.gone", 2, "None"),
        ("self.member", 0, "None"),
        ("local.run", 3, "lib.outer.Thing.run"),
        ("argument", 2, "None"),
        ("argument.x", 2, "None"),
        ("typed.x", 2, "lib.shared.T.x"),
        ("typed.x", 3, "lib.shared.T.x"),
        ("quoted.x", 2, "lib.shared.Q.x"),
        ("other.x", 2, "None"),
        ("K.member", 0, "x.py:4 bind"),
        ("K.method", 0, "x.py:5 def"),
        ("outer.y", 3, "lib.outer.y"),
    ],
)
def test_a_name_means_what_its_scope_sees(name: str, scope: int, expected: str) -> None:
    names = names_of({"x.py": SCOPES})
    assert shown(names.find(names.modules["x.py"], name, scope)) == expected


def test_a_parameter_hides_what_bears_its_name_further_out() -> None:
    names = names_of({"x.py": "from fastapi import router\ndef f(router):\n    router.get()\n"})
    assert names.find(names.modules["x.py"], "router.get", 1) is None


def test_an_instance_has_what_its_class_and_the_bases_of_that_have() -> None:
    files = {
        "base.py": "from fastapi import APIRouter\nclass Base(APIRouter):\n    def extra(self): ...\n",
        "x.py": "from base import Base\nclass Mine(Mixin, Base): ...\nr = Mine(prefix='/x')\n",
    }
    names = names_of(files)
    module = names.modules["x.py"]
    assert shown(names.find(module, "r.extra")) == "base.py:3 def"
    assert names.find(module, "r.get") == "fastapi.APIRouter.get"
    assert names.ancestry(names.type_of(module, "r", 0, None)) == ["fastapi.APIRouter"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FastAPI()", "fastapi.FastAPI"),
        ("make()", "fastapi.FastAPI"),
        ("make_by_name()", "fastapi.FastAPI"),
        ("yields()", "fastapi.FastAPI"),
        ("nothing()", "None"),
        ("f()()", "None"),
        ("[1]", "None"),
        ("unknown()", "None"),
    ],
)
def test_the_type_of_a_value_is_what_its_factory_makes(expression: str, expected: str) -> None:
    source = f"""\
        from fastapi import FastAPI

        def make():
            return FastAPI()

        def make_by_name():
            app: FastAPI = FastAPI()
            return app

        def yields():
            with FastAPI() as app:
                yield app

        def nothing(): ...

        value = {expression}
        """
    names = names_of({"x.py": source})
    assert shown(names.type_of(names.modules["x.py"], "value", 0, None)) == expected


# Which file a dotted name is

TWO_SERVICES = {
    "api/app/core.py": "def f(): ...\n",
    "api/app/x.py": "from app.core import f\n",
    "web/app/core.py": "\n\ndef f(): ...\n",
    "web/app/x.py": "from app.core import f\n",
    "tools/x.py": "from app.core import f\nimport shared\n",
    "lib/shared/__init__.py": "def s(): ...\n",
}


def test_a_service_imports_its_own_modules_and_not_its_neighbour_s() -> None:
    assert find(TWO_SERVICES, "f", "api/app/x.py", roots=("api", "web")) == "api/app/core.py:1 def"
    assert find(TWO_SERVICES, "f", "web/app/x.py", roots=("api", "web")) == "web/app/core.py:3 def"
    # Nobody said where the services begin: their folders are plain.
    assert find(TWO_SERVICES, "f", "web/app/x.py", roots=("",)) == "web/app/core.py:3 def"


def test_a_package_beside_the_services_is_found_from_all_of_them() -> None:
    assert find(TWO_SERVICES, "shared.s", "tools/x.py") == "lib/shared/__init__.py:1 def"


@pytest.mark.parametrize("library", ["celery", "contextlib", "some_client"])
def test_a_file_named_like_a_library_is_not_what_the_library_s_name_means(library: str) -> None:
    files = {f"core/{library}.py": "def f(): ...\n", "core/x.py": f"from {library} import f\n"}
    assert find(files, "f", "core/x.py", requirements=("some-client",)) == f"{library}.f"
    own = {**files, f"core/{library}.py": f"from {library} import f\n"}
    assert find(own, "f", f"core/{library}.py", requirements=("some-client",)) == f"{library}.f"


def test_a_file_named_like_a_library_on_a_root_is() -> None:
    files = {"core/celery.py": "def f(): ...\n", "core/x.py": "from celery import f\n"}
    assert find(files, "f", "core/x.py", roots=("core",)) == "core/celery.py:1 def"


def test_the_module_itself_is_not_what_it_imports() -> None:
    assert find({"app/x.py": "from app.x import f\n"}, "f") == "None"


def test_a_place_says_where_something_is_defined() -> None:
    names = names_of({"x.py": "def f(): ...\n"})
    meaning = names.find(names.modules["x.py"], "f")
    assert isinstance(meaning, Place)
    assert (repr(meaning.module), meaning.item.name) == ("Module('x.py')", "f")  # type: ignore[union-attr]
    assert extract.SCHEMA >= 3
