"""Which environment keys one Python file reads, and what happens where a key is absent.

    raises   the process fails: `os.environ["X"]`, `int(os.getenv("X"))`, `config("X")`
    bare     None is handed on: `Client(key=os.getenv("X"))`
    asked    the code looks whether it is there, or is prepared for its absence
    default  something else is taken
    set      the program sets it itself

Runs where a rule asks, over the few files that speak of the environment: the facts of all others stay small.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A file without one of these reads no environment.
TOKENS = re.compile(rb"\b(environ|getenv|decouple|environs|BaseSettings)\b|\b\w*env(\.\w+)?\(|\bconfig\(\s*[\"']")
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOUTED = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
_CAPITALS = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_READER = re.compile(r"(\w*env\w*|\w*config\w*|cfg)(\.\w+)?", re.IGNORECASE)
_CATCHING = frozenset({"KeyError", "LookupError", "Exception", "BaseException", "TypeError", "ValueError"})
# Annotations whose value one key gives; any other may be a model of several keys.
_SIMPLE = frozenset(
    {
        "str", "int", "float", "bool", "bytes", "Path", "SecretStr", "SecretBytes", "AnyUrl", "AnyHttpUrl", "HttpUrl",
        "PostgresDsn", "RedisDsn", "MongoDsn", "AmqpDsn", "EmailStr", "UUID", "timedelta", "Decimal",
    }
)  # fmt: skip

How = Literal["raises", "bare", "asked", "default", "set"]


class Read(NamedTuple):
    """One place that reads or sets a key. `at_import`: it always runs when the module is imported.

    `reader`: the dotted name that was called, where only its meaning tells whether it reads the environment.
    """

    key: str
    line: int
    how: How
    at_import: bool = False
    reader: str | None = None


class Field(NamedTuple):
    """A field of a class that may be pydantic settings. `keys`: its aliases, else empty."""

    name: str
    line: int
    required: bool
    keys: tuple[str, ...]


class Settings(NamedTuple):
    """A class with fields, and what its configuration says. `prefix`: None where it cannot be told."""

    name: str
    line: int
    prefix: str | None
    fields: tuple[Field, ...]


class Said(NamedTuple):
    """What one file says about the environment.

    `touched`: functions of the module that look into it, "" for the module itself. `shouted`: strings that look
    like keys, wherever they stand. `prose`: words in capitals that stand in longer texts.
    """

    reads: tuple[Read, ...] = ()
    settings: tuple[Settings, ...] = ()
    touched: frozenset[str] = frozenset()
    shouted: frozenset[str] = frozenset()
    prose: frozenset[str] = frozenset()


def read_source(data: bytes) -> Said:
    """Parse one file. Nothing is said of what this Python cannot parse."""
    if TOKENS.search(data) is None:
        return Said()
    try:
        tree = ast.parse(data)
        return _Reader(tree).said()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Said()


class _Reader:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes = list(ast.walk(tree))
        for node in self.nodes:
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        # Dotted names under which this module knows `os.environ` and `os.getenv`.
        self.environs = {f"{name}.environ" for name in self._bound("os", None)} | self._bound("os", "environ")
        self.getters = {f"{name}.getenv" for name in self._bound("os", None)} | self._bound("os", "getenv")
        self.tested = self._tested()

    def _bound(self, module: str, name: str | None) -> set[str]:
        found = set()
        for node in self.nodes:
            if name is None and isinstance(node, ast.Import):
                found |= {alias.asname or alias.name for alias in node.names if alias.name == module}
            elif name is not None and isinstance(node, ast.ImportFrom) and node.module == module:
                found |= {alias.asname or alias.name for alias in node.names if alias.name == name}
        return found

    def _tested(self) -> set[str]:
        """Names that the module asks whether they are set."""
        tests: list[ast.AST] = []
        for node in self.nodes:
            if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)):
                tests.append(node.test)
            elif isinstance(node, (ast.BoolOp, ast.Compare)):
                tests.append(node)
            elif isinstance(node, ast.comprehension):
                tests += node.ifs
            elif isinstance(node, ast.Call) and _dotted(node.func) in ("bool", "all", "any"):
                tests += node.args
        names = set()
        for test in tests:
            for part in ast.walk(test):
                if isinstance(part, ast.Name):
                    names.add(part.id)
                elif isinstance(part, ast.Attribute):
                    names.add(part.attr)
        return names

    def said(self) -> Said:
        touched = {
            self._function(node)
            for node in self.nodes
            if isinstance(node, (ast.Name, ast.Attribute)) and _dotted(node) in self.environs | self.getters
        }
        texts = [node.value for node in self.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        return Said(
            tuple(self._reads()),
            tuple(self._settings()),
            frozenset(touched),
            frozenset(text for text in texts if _SHOUTED.fullmatch(text)),
            frozenset(word for text in texts if not KEY.fullmatch(text) for word in _CAPITALS.findall(text)),
        )

    # Reads

    def _reads(self) -> Iterator[Read]:
        for node in self.nodes:
            if isinstance(node, ast.Subscript) and _dotted(node.value) in self.environs:
                for key in _keys(node.slice):
                    how: How = self._usage(node, "raises") if isinstance(node.ctx, ast.Load) else "set"
                    yield Read(key, node.lineno, how, self._at_import(node))
            elif isinstance(node, ast.Compare) and len(node.ops) == 1 and _dotted(node.comparators[0]) in self.environs:
                for key in _keys(node.left):
                    yield Read(key, node.lineno, "asked")
            elif isinstance(node, ast.Call):
                yield from self._called(node)

    def _called(self, node: ast.Call) -> Iterator[Read]:
        called = _dotted(node.func) or ""
        holder, _, method = called.rpartition(".")
        key = next(iter(_keys(node.args[0])), None) if node.args else None
        if holder in self.environs and method == "update":
            for named in self._updated(node):
                yield Read(named, node.lineno, "set")
        elif key is None:
            if method == "Env" or called == "Env":  # the scheme of django-environ: keys with their defaults
                yield from (Read(word.arg, node.lineno, "default") for word in node.keywords if word.arg)
        elif called in self.getters or (holder in self.environs and method == "get"):
            has_default = len(node.args) > 1 or any(word.arg == "default" for word in node.keywords)
            none = has_default and len(node.args) > 1 and _is_none(node.args[1])
            how: How = "default" if has_default and not none else self._usage(node, "bare")
            yield Read(key, node.lineno, how, self._at_import(node))
        elif (holder in self.environs and method in ("setdefault", "pop")) or called == "os.putenv":
            yield Read(key, node.lineno, "set")
        elif _READER.fullmatch(called):
            given = len(node.args) > 1 or any(word.arg in ("default", None) for word in node.keywords)
            how = "default" if given else self._usage(node, "raises")
            yield Read(key, node.lineno, how, self._at_import(node), called)

    def _updated(self, node: ast.Call) -> Iterator[str]:
        for word in node.keywords:
            if word.arg:
                yield word.arg
        for argument in node.args:
            if isinstance(argument, ast.Dict):
                for key in argument.keys:
                    yield from _keys(key) if key is not None else ()

    def _usage(self, node: ast.AST, how: How) -> How:  # noqa: C901 - one branch a kind of parent
        """What becomes of the value, told by what stands around it."""
        child, parent = node, self.parents.get(node)
        while isinstance(parent, (ast.expr, ast.keyword, ast.comprehension)):
            if isinstance(parent, (ast.UnaryOp, ast.Compare, ast.comprehension, ast.Lambda)):
                return "asked"
            if isinstance(parent, ast.BoolOp):
                is_first = child is parent.values[0]
                return "default" if isinstance(parent.op, ast.Or) and is_first and how == "bare" else "asked"
            if isinstance(parent, ast.IfExp):
                return "asked"
            if how == "bare":
                if isinstance(parent, (ast.Attribute, ast.Subscript)) and child is parent.value:
                    how = "raises"
                elif isinstance(parent, ast.Call) and child in parent.args:
                    if _dotted(parent.func) == "bool":
                        return "asked"
                    if _dotted(parent.func) in ("int", "float", "json.loads", "Path", "pathlib.Path"):
                        how = "raises"
            child, parent = parent, self.parents.get(parent)
        if isinstance(parent, (ast.If, ast.While, ast.Assert)):
            return "asked"
        if how == "bare" and isinstance(parent, (ast.Assign, ast.AnnAssign)):
            targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
            names = {(_dotted(target) or "?").rpartition(".")[2] for target in targets}
            if names & self.tested:
                return "asked"
        if how == "bare" and isinstance(parent, ast.Return):
            return "asked"
        return "asked" if self._is_caught(node) else how

    def _is_caught(self, node: ast.AST) -> bool:
        child, parent = node, self.parents.get(node)
        while parent is not None and not isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if isinstance(parent, ast.Try) and child in parent.body:
                for handler in parent.handlers:
                    caught = ast.walk(handler.type) if handler.type else [ast.Name("Exception")]
                    if any((_dotted(part) or "").rpartition(".")[2] in _CATCHING for part in caught):
                        return True
            if isinstance(parent, (ast.With, ast.AsyncWith)):
                managers = [_dotted(item.context_expr.func) or "" for item in parent.items
                            if isinstance(item.context_expr, ast.Call)]  # fmt: skip
                if any(name.rpartition(".")[2] in ("suppress", "raises") for name in managers):
                    return True
            child, parent = parent, self.parents.get(parent)
        return False

    def _at_import(self, node: ast.AST) -> bool:
        parent = self.parents.get(node)
        while parent is not None:
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.If, ast.IfExp, ast.Try,
                                   ast.For, ast.While, ast.Match, ast.BoolOp, ast.With)):  # fmt: skip
                return False
            parent = self.parents.get(parent)
        return True

    def _function(self, node: ast.AST) -> str:
        """The outermost function around, "" where there is none; a method is its class's."""
        name, parent = "", self.parents.get(node)
        while parent is not None:
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = parent.name
            parent = self.parents.get(parent)
        return name

    # Settings

    def _settings(self) -> Iterator[Settings]:
        for node in self.nodes:
            if isinstance(node, ast.ClassDef) and node.bases:
                fields = tuple(_field(part) for part in node.body if isinstance(part, ast.AnnAssign))
                kept = tuple(field for field in fields if field is not None)
                if kept:
                    yield Settings(node.name, node.lineno, _prefix(node), kept)


def _field(node: ast.AnnAssign) -> Field | None:
    if not isinstance(node.target, ast.Name) or node.target.id.startswith("_") or node.target.id == "model_config":
        return None
    required, keys = node.value is None, list[str]()
    value = node.value
    if isinstance(value, ast.Call) and (_dotted(value.func) or "").rpartition(".")[2] == "Field":
        words = {word.arg: word.value for word in value.keywords}
        absent = not value.args or (isinstance(value.args[0], ast.Constant) and value.args[0].value is ...)
        required = absent and not words.keys() & {"default", "default_factory", None}
        for name in ("validation_alias", "alias", "env"):
            if name in words and not keys:
                keys = [key for part in ast.walk(words[name]) for key in _keys(part)]
    elif isinstance(value, ast.Constant) and value.value is ...:
        required = True
    simple = (_dotted(node.annotation) or "").rpartition(".")[2] in _SIMPLE
    return Field(node.target.id, node.lineno, required and simple, tuple(keys))


def _prefix(node: ast.ClassDef) -> str | None:
    """`env_prefix` as the class itself says it; "" where it says nothing; None where it says more than can be read."""
    found = ""
    for part in node.body:
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and part.name == "settings_customise_sources":
            return None
        config = part.value if isinstance(part, (ast.Assign, ast.AnnAssign)) and _binds(part, "model_config") else None
        words: Iterable[tuple[str | None, ast.expr]] = ()
        if isinstance(config, ast.Call):
            words = [(word.arg, word.value) for word in config.keywords]
        elif isinstance(config, ast.Dict):
            words = [(next(iter(_keys(key)), None) if key else None, value)
                     for key, value in zip(config.keys, config.values, strict=True)]  # fmt: skip
        elif config is not None:
            return None
        elif isinstance(part, ast.ClassDef) and part.name == "Config":
            words = [(target.id, line.value) for line in part.body if isinstance(line, ast.Assign)
                     for target in line.targets if isinstance(target, ast.Name)]  # fmt: skip
        for name, value in words:
            if name in (None, "secrets_dir", "yaml_file", "toml_file", "json_file", "alias_generator"):
                return None
            if name == "env_prefix":
                if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
                    return None
                found = value.value
    return found


def _binds(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _keys(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
        yield node.value


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])
