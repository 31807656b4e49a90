"""What one Python file says, as plain data: one parse, one walk over its statements.

Runs as a script of its own (`python -I -S extract.py`), under whichever interpreter knows the grammar
of the analysed project, so it imports the standard library alone and nothing of guardrails. A parser
that crashes takes only the worker with it. One line of JSON in, one line of JSON a file out:

    {"paths": ["a.py", "b.py"], "feature": [3, 12]}   ->   {"sha": ..., "lines": ..., "scopes": ...}
                                                           {"error": "line 3: invalid syntax", ...}

Expressions are reduced to what rules need (`reduce`): a dotted name is a string, all else a list whose
first item names its kind: ["c", constant] ["()", function, arguments, keywords] ["f", parts]
["+", left, right] ["[]", items] ["|", alternatives] [".", value, attribute] ["*", value] ["?"].

An *arm* says under which condition a statement stands: "12:0/30:1" is the first branch of the `if` in
line 12 and, inside it, the second of that in line 30. Two arms that part at one line exclude each
other. A loop adds "45:loop", an `if TYPE_CHECKING:` adds "7:types", the body of a `try` with handlers
"9:try"; an import inside a `with` has "3:with", because what it raises may be suppressed there.

For what an importer can rely on, besides names and imports: `all` (the entries of `__all__`, with their
lines), `also` (names that are bound where no statement shows it), `open` (the module changes its own names
or the import system at run time), `raises` (the line at which the module always gives up), `paths` (it edits
sys.path), `main` (it is a script).
"""

from __future__ import annotations

import ast
import gc
import json
import sys

try:
    # What hashlib hands out for this name, without the OpenSSL that hashlib loads first.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Facts = dict[str, Any]
    Expr = Any

# Part of the cache key: raise it whenever the shape or the content of the facts changes.
SCHEMA = 4
MAX_BYTES = 1_048_576
HTTP_VERBS = frozenset({"get", "post", "put", "patch", "delete", "options", "head", "websocket_connect"})
LOCAL_URLS = ("http://localhost", "http://127.0.0.1", "http://0.0.0.0")
UNKNOWN = ["?"]
# What a module that changes names behind the statements' back has somewhere in its text.
OPENERS = (
    b"globals(", b"exec(", b"sys.modules", b"import modules", b"locals()[", b"locals().", b"vars()[", b"vars().",
    b"__dict__", b"__path__", b"extend_path", b"declare_namespace", b"meta_path", b"path_hooks", b"_convert_(",
    b"_convert(", b"global_enum", b"f_globals", b"initpkg",
)  # fmt: skip
PATH_EDITS = (b"sys.path.", b"sys.path[", b"sys.path =", b"sys.path +=", b"addsitedir", b"import path\n")


def empty() -> Facts:
    """Facts about a file that says nothing, as most `__init__.py` do: no parser is needed for it."""
    return {"lines": 0, "scopes": [["module", "", 1, -1, "", [], [], [], []]]}


def digest(data: bytes) -> str:
    """The key under which facts about these bytes are cached."""
    return blake2b(data, digest_size=16).hexdigest()


def extract(data: bytes, feature: tuple[int, int] | None = None) -> Facts:
    """Facts about one file's bytes, or {"error": why it cannot be analysed}.

    `feature` is the (major, minor) grammar to parse under; None: that of the running interpreter.
    """
    facts: Facts = {"sha": digest(data)}
    if len(data) > MAX_BYTES:
        return {**facts, "error": f"larger than {MAX_BYTES:,} bytes"}
    if b"\0" in data:
        return {**facts, "error": "binary: holds a NUL byte"}
    try:
        tree = ast.parse(data, feature_version=feature)
    except SyntaxError as exc:
        return {**facts, "error": _syntax_error(data, exc), "line": exc.lineno or 1, "syntax": True}
    except (ValueError, RecursionError, MemoryError) as exc:
        return {**facts, "error": f"the parser gave up: {type(exc).__name__}: {exc}"}
    try:
        walker = Walker(with_texts=b"@" in data)
        walker.module(tree)
        if b"client" in data:
            walker.requests_in(tree)
        if b":=" in data:
            walker.walruses_in(tree)
    except RecursionError:
        return {**facts, "error": "nested too deeply to be walked"}
    walker.open = walker.open or any(token in data for token in OPENERS)
    walker.paths = any(token in data for token in PATH_EDITS)
    walker.main = b"__main__" in data
    facts["lines"] = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    facts.update(walker.facts())
    return facts


def _syntax_error(data: bytes, exc: SyntaxError) -> str:
    if b"{%" in data or b"{{" in data:
        line = data.splitlines()[(exc.lineno or 1) - 1 : exc.lineno or 1]
        if line and (b"{%" in line[0] or b"{{" in line[0]):
            return f"line {exc.lineno}: a template, not Python"
    return portable(f"line {exc.lineno}: {exc.msg}" if exc.lineno else str(exc.msg))


class Walker:
    """Walks statements, not expressions: an eighth of the nodes, and what rules ask for so far."""

    def __init__(self, *, with_texts: bool) -> None:
        self.with_texts = with_texts
        self.imports: list[Any] = []
        self.scopes: list[Any] = []
        self.binds: list[Any] = []
        self.calls: list[Any] = []
        self.texts: list[Any] = []
        self.requests: list[Any] = []
        self.urls: list[Any] = []
        self.all: list[Any] | None = []
        self.also: list[str] = []
        self.raises = 0
        self.open = self.paths = self.main = False

    def facts(self) -> Facts:
        names = (
            "imports", "scopes", "binds", "calls", "texts", "requests", "urls",
            "all", "also", "raises", "open", "paths", "main",
        )  # fmt: skip
        return {name: value for name in names if (value := getattr(self, name))}

    def module(self, tree: ast.Module) -> None:
        self.scopes.append(["module", "", 1, -1, "", [], [], [], []])
        self.text(0, tree)
        self.body(tree.body, 0, "")

    def body(self, statements: Sequence[ast.stmt], scope: int, arm: str) -> None:
        for statement in statements:
            handler = HANDLERS.get(statement.__class__)
            if handler is not None:
                handler(self, statement, scope, arm)

    def text(self, scope: int, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Keep a docstring that shows a decorator: its example may teach the wrong order."""
        if not self.with_texts or not node.body:
            return
        first = node.body[0]
        if first.__class__ is ast.Expr and first.value.__class__ is ast.Constant:
            value = first.value.value
            if isinstance(value, str) and "@" in value:
                self.texts.append([scope, first.lineno, portable(value)])

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: int, arm: str) -> None:
        kind = "async" if node.__class__ is ast.AsyncFunctionDef else "def"
        args = node.args
        params = [
            [a.arg, reduce(a.annotation) if a.annotation is not None else None]
            for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)
        ]
        index = self.enter(kind, node, scope, arm, params, [])
        self.body(node.body, index, "")

    def klass(self, node: ast.ClassDef, scope: int, arm: str) -> None:
        index = self.enter("class", node, scope, arm, [], [reduce(base) for base in node.bases])
        self.body(node.body, index, "")

    def enter(
        self,
        kind: str,
        node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
        scope: int,
        arm: str,
        params: list[Any],
        bases: list[Any],
    ) -> int:
        decorators = [[d.lineno, reduce(d)] for d in node.decorator_list]
        self.scopes.append([kind, node.name, node.lineno, scope, arm, decorators, params, [], bases])
        index = len(self.scopes) - 1
        self.text(index, node)
        return index

    def import_(self, node: ast.Import, scope: int, arm: str) -> None:
        for alias in node.names:
            self.imports.append([node.lineno, scope, arm, 0, alias.name, None, alias.asname])

    def import_from(self, node: ast.ImportFrom, scope: int, arm: str) -> None:
        first = node.lineno
        for alias in node.names:
            item = [first, scope, arm, node.level, node.module or "", alias.name, alias.asname]
            below = getattr(alias, "lineno", first) - first  # Python 3.9 does not say
            self.imports.append([*item, below] if below else item)

    def assign(self, node: ast.Assign, scope: int, arm: str) -> None:
        value = reduce(node.value)
        for target in node.targets:
            self.bind(target, value, node.lineno, scope, arm)
            if scope == 0 and is_all(target):
                self.promise(node.value, arm, anew=True)

    def ann_assign(self, node: ast.AnnAssign, scope: int, arm: str) -> None:
        if node.value is not None:
            self.bind(node.target, reduce(node.value), node.lineno, scope, arm)
            if scope == 0 and is_all(node.target):
                self.promise(node.value, arm, anew=True)
        elif scope == 0 and node.target.__class__ is ast.Name:
            self.also.append(node.target.id)

    def aug_assign(self, node: ast.AugAssign, scope: int, arm: str) -> None:
        self.bind(node.target, UNKNOWN, node.lineno, scope, arm)
        if scope == 0 and is_all(node.target):
            self.promise(node.value, arm, anew=False)

    def bind(self, target: ast.expr, value: Expr, line: int, scope: int, arm: str) -> None:
        if target.__class__ in (ast.Tuple, ast.List):
            for item in target.elts:
                self.bind(item, UNKNOWN, line, scope, arm)
        elif target.__class__ is ast.Starred:
            self.bind(target.value, UNKNOWN, line, scope, arm)
        elif isinstance(name := reduce(target), str):
            self.binds.append([scope, arm, line, name, value])

    def promise(self, value: ast.expr, arm: str, *, anew: bool) -> None:
        """Keep what `__all__` lists, as far as it is written out; nothing where a branch decides."""
        if anew:
            self.all = []
        if arm or self.all is None:
            self.all = None
            return
        waiting = [value]
        while waiting:
            part = waiting.pop()
            if part.__class__ is ast.BinOp:
                waiting += [part.left, part.right]
            elif part.__class__ in (ast.List, ast.Tuple):
                self.all += [
                    [item.lineno, portable(item.value)]
                    for item in part.elts
                    if item.__class__ is ast.Constant and item.value.__class__ is str
                ]

    def global_(self, node: ast.Global, scope: int, arm: str) -> None:  # noqa: ARG002 - one signature for all
        self.also += node.names

    def raise_(self, node: ast.Raise, scope: int, arm: str) -> None:
        if scope == 0 and not arm and not self.raises:
            self.raises = node.lineno

    def type_alias(self, node: Any, scope: int, arm: str) -> None:
        self.binds.append([scope, arm, node.lineno, node.name.id, UNKNOWN])

    def walruses_in(self, tree: ast.Module) -> None:
        """`(name := …)` outside functions and classes binds a name of the module."""
        for statement in tree.body:
            if statement.__class__ not in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
                self.also += [node.target.id for node in ast.walk(statement) if node.__class__ is ast.NamedExpr]

    def expression(self, node: ast.Expr, scope: int, arm: str) -> None:
        value = node.value
        if value.__class__ is ast.Await:
            value = value.value
        if value.__class__ is ast.Call:
            call = reduce(value)
            self.calls.append([scope, arm, node.lineno, call])
            if scope == 0:
                self.note_call(value, call, arm)
        elif value.__class__ is ast.Yield and value.value is not None:
            # What a fixture yields is what its users get, as if it were returned.
            self.scopes[scope][7].append(reduce(value.value))

    def note_call(self, node: ast.Call, call: Expr, arm: str) -> None:
        """A statement of the module that changes what it offers."""
        if "__name__" in call[2]:
            self.open = True  # handed its own name, a helper may replace the module
        elif call[1] in ("__all__.extend", "__all__.append") and call[2]:
            self.promise(node.args[0] if call[1].endswith("extend") else ast.List(node.args[:1]), arm, anew=False)
        elif str(call[1]).startswith("__all__."):
            self.all = None

    def return_(self, node: ast.Return, scope: int, arm: str) -> None:  # noqa: ARG002 - one signature for all
        if node.value is not None:
            self.scopes[scope][7].append(reduce(node.value))

    def if_(self, node: ast.If, scope: int, arm: str) -> None:
        # `elif` nests: a loop, so that a chain of thousands does not recurse.
        branch = 0
        first = node.lineno
        while True:
            label = "types" if str(reduce(node.test)).endswith("TYPE_CHECKING") else str(branch)
            self.body(node.body, scope, f"{arm}/{first}:{label}")
            branch += 1
            rest = node.orelse
            if len(rest) == 1 and rest[0].__class__ is ast.If:
                node = rest[0]
                continue
            self.body(rest, scope, f"{arm}/{first}:{branch}")
            return

    def try_(self, node: ast.Try, scope: int, arm: str) -> None:
        # Without a handler nothing is caught: the body runs, or the whole fails.
        body = f"{arm}/{node.lineno}:try" if node.handlers else arm
        self.body(node.body, scope, body)
        self.body(node.orelse, scope, body)
        for number, handler in enumerate(node.handlers, 1):
            self.body(handler.body, scope, f"{arm}/{node.lineno}:{number}")
        self.body(node.finalbody, scope, arm)

    def match(self, node: ast.Match, scope: int, arm: str) -> None:
        for number, case in enumerate(node.cases):
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if name is not None:
                    self.binds.append([scope, f"{arm}/{node.lineno}:{number}", node.lineno, name, UNKNOWN])
            self.body(case.body, scope, f"{arm}/{node.lineno}:{number}")

    def loop(self, node: ast.For | ast.AsyncFor | ast.While, scope: int, arm: str) -> None:
        if not isinstance(node, ast.While):
            self.bind(node.target, UNKNOWN, node.lineno, scope, arm)
        self.body(node.body, scope, f"{arm}/{node.lineno}:loop")
        self.body(node.orelse, scope, arm)

    def with_(self, node: ast.With | ast.AsyncWith, scope: int, arm: str) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self.bind(item.optional_vars, reduce(item.context_expr), node.lineno, scope, arm)
        before = len(self.imports)
        self.body(node.body, scope, arm)
        for item in self.imports[before:]:
            item[2] += f"/{node.lineno}:with"

    def requests_in(self, tree: ast.AST) -> None:
        """Every `something.get("/path")`, wherever it stands: what tests and clients ask of a service."""
        for node in ast.walk(tree):
            if node.__class__ is ast.Constant:
                if node.value.__class__ is str and node.value.startswith(LOCAL_URLS):
                    self.urls.append(portable(node.value))
                continue
            if node.__class__ is not ast.Call or node.func.__class__ is not ast.Attribute or not node.args:
                continue
            func = node.func
            if func.attr not in HTTP_VERBS and func.attr not in {"request", "stream"}:
                continue
            self.requests.append([node.lineno, reduce(func.value), func.attr, [reduce(a) for a in node.args[:2]]])


HANDLERS: dict[type[ast.stmt], Callable[..., None]] = {
    ast.FunctionDef: Walker.function,
    ast.AsyncFunctionDef: Walker.function,
    ast.ClassDef: Walker.klass,
    ast.Import: Walker.import_,
    ast.ImportFrom: Walker.import_from,
    ast.Assign: Walker.assign,
    ast.AnnAssign: Walker.ann_assign,
    ast.AugAssign: Walker.aug_assign,
    ast.Expr: Walker.expression,
    ast.Return: Walker.return_,
    ast.If: Walker.if_,
    ast.Try: Walker.try_,
    ast.Match: Walker.match,
    ast.For: Walker.loop,
    ast.AsyncFor: Walker.loop,
    ast.While: Walker.loop,
    ast.With: Walker.with_,
    ast.AsyncWith: Walker.with_,
    ast.Global: Walker.global_,
    ast.Raise: Walker.raise_,
}
if hasattr(ast, "TryStar"):
    HANDLERS[ast.TryStar] = Walker.try_
if hasattr(ast, "TypeAlias"):
    HANDLERS[ast.TypeAlias] = Walker.type_alias


def is_all(target: ast.expr) -> bool:
    return target.__class__ is ast.Name and target.id == "__all__"


def reduce(node: Any, depth: int = 0) -> Expr:  # noqa: C901 - one branch a kind of expression, each one line
    """One expression as plain data; what no rule asks for becomes ["?"]."""
    kind = node.__class__
    if kind is ast.Name:
        return node.id
    if depth > 12:
        return UNKNOWN
    depth += 1
    if kind is ast.Attribute:
        value = reduce(node.value, depth)
        return f"{value}.{node.attr}" if value.__class__ is str else [".", value, node.attr]
    if kind is ast.Constant:
        return constant(node.value)
    if kind is ast.Call:
        arguments = [reduce(a, depth) for a in node.args]
        return [
            "()",
            reduce(node.func, depth),
            arguments,
            {k.arg or "**": reduce(k.value, depth) for k in node.keywords},
        ]
    if kind is ast.Await:
        return reduce(node.value, depth)
    if kind is ast.JoinedStr:
        return ["f", [reduce(inserted(v) if v.__class__ is ast.FormattedValue else v, depth) for v in node.values]]
    if kind is ast.BinOp and node.op.__class__ is ast.Add:
        return ["+", reduce(node.left, depth), reduce(node.right, depth)]
    if kind in (ast.List, ast.Tuple, ast.Set):
        return ["[]", [reduce(item, depth) for item in node.elts[:64]]]
    if kind is ast.IfExp:
        return ["|", [reduce(node.body, depth), reduce(node.orelse, depth)]]
    if kind is ast.BoolOp:
        return ["|", [reduce(value, depth) for value in node.values]]
    if kind is ast.Starred:
        return ["*", reduce(node.value, depth)]
    return UNKNOWN


def inserted(node: Any) -> Any:
    """What an f-string inserts as it is; with a format or a conversion it inserts something else."""
    return node.value if node.format_spec is None and node.conversion == -1 else node


def constant(value: Any) -> Expr:
    """A constant that JSON can carry as it is, else ["?"]."""
    kind = value.__class__
    if kind is str:
        return ["c", portable(value)]
    if kind is int:
        return ["c", value] if -(2**63) <= value < 2**63 else UNKNOWN
    if kind is float:
        return ["c", value] if value - value == 0.0 else UNKNOWN
    return ["c", value] if kind is bool or value is None else UNKNOWN


def portable(text: str) -> str:
    """Text without lone surrogates, which are valid in Python source and in no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def serve() -> None:
    """Answer requests from standard input until it ends."""
    sys.setrecursionlimit(5000)
    # A syntax tree has no cycles: looking for them costs as much as the walk.
    gc.disable()
    out = sys.stdout
    for line in sys.stdin:
        request = json.loads(line)
        feature = tuple(request["feature"]) if request.get("feature") else None
        for path in request["paths"]:
            try:
                with open(path, "rb") as file:  # noqa: PTH123 - pathlib would double the start-up of a worker
                    data = file.read(MAX_BYTES + 1)
            except OSError as exc:
                facts = {"error": f"cannot be read: {exc.strerror or type(exc).__name__}"}
            else:
                facts = extract(data, feature)
            out.write(json.dumps(facts, ensure_ascii=True, separators=(",", ":")) + "\n")
            out.flush()


if __name__ == "__main__":
    serve()
