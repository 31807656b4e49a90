"""What a module's `__getattr__` can answer to, where its code shows that it looks names up in tables written out.

Only two shapes are trusted: every way to an answer is tested against a table, and `AttributeError` is raised at the
end; or what no table holds is refused first. A table counts when its strings stand in this very file.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from guardrails.source.extract import OPENERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUILDERS = frozenset({"dict", "set", "frozenset", "list", "tuple", "sorted", "zip", "MappingProxyType"})
VIEWS = frozenset({"items", "keys", "values", "get"})
CHANGES = frozenset({"update", "setdefault", "append", "extend", "add", "insert", "__setitem__"})


def served(source: bytes) -> frozenset[str] | None:
    """Strings among which all names are that the module serves. None: it may serve any name.

    What `__getattr__` and `__dir__` themselves do with `globals()` is no other way to a name.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    hooks = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    if len(hooks) != 1 or not hooks[0].args.args or hooks[0].decorator_list:
        return None
    lines = source.splitlines()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__"):
            lines[node.lineno - 1 : node.end_lineno] = [b""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    if any(token in line for line in lines for token in OPENERS):
        return None
    hook = Hook(hooks[0].args.args[0].arg)
    if not hook.refuses(hooks[0].body):
        return None
    tables = Tables(tree)
    if not all(tables.written_out(name) for name in hook.tables):
        return None
    return frozenset(_strings(tree, tables.asks_promises(hook.tables)))


def _strings(tree: ast.Module, promises_are_served: bool) -> Iterator[str]:  # noqa: FBT001
    """Every string of the file; of the promises of `__all__` only where `__getattr__` asks that table."""
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        promises = any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
        if promises and not promises_are_served:
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


class Hook:
    """One `__getattr__`: `asked` is its parameter, `tables` the names of the tables that it asks."""

    def __init__(self, asked: str) -> None:
        self.asked = asked
        self.tables: set[str] = set()
        # Names that hold what a table said, or None.
        self.looked_up: set[str] = set()

    def refuses(self, body: Sequence[ast.stmt]) -> bool | None:
        """Whether a name that no table holds ends in AttributeError; None: what follows decides."""
        for statement in body:
            if isinstance(statement, ast.If):
                if self.is_refusal(statement.test) and _raises(statement.body):
                    return True
                if not self.is_test(statement.test):
                    return False
                decided = self.refuses(statement.orelse)
                if decided is not None:
                    return decided
            elif isinstance(statement, ast.Raise):
                return _raises([statement])
            elif isinstance(statement, ast.Try):
                return self.looks_up(statement) and all(_raises(handler.body) for handler in statement.handlers)
            elif isinstance(statement, ast.Assign):
                self.note(statement)
            elif not isinstance(statement, (ast.Import, ast.ImportFrom, ast.Expr, ast.AnnAssign)):
                return False
        return None

    def note(self, statement: ast.Assign) -> None:
        target = statement.targets[0]
        if isinstance(target, ast.Name) and self.is_lookup(statement.value):
            self.looked_up.add(target.id)

    def looks_up(self, statement: ast.Try) -> bool:
        """`try: found = TABLE[name]`, and nothing else."""
        if len(statement.body) != 1 or not isinstance(statement.body[0], (ast.Assign, ast.Return)):
            return False
        value = statement.body[0].value
        return isinstance(value, ast.Subscript) and self.is_asked(value.slice) and self.is_table(value.value)

    def is_lookup(self, node: ast.expr | None) -> bool:
        """`TABLE.get(name)`."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and len(node.args) == 1
            and self.is_asked(node.args[0])
            and self.is_table(node.func.value)
        )

    def is_asked(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self.asked

    def is_table(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VIEWS:
            node = node.func.value
        if isinstance(node, ast.Name):
            self.tables.add(node.id)
            return True
        return isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict)) and all(
            isinstance(item, ast.Constant) for item in (node.keys if isinstance(node, ast.Dict) else node.elts)
        )

    def is_result(self, node: ast.expr) -> bool:
        if isinstance(node, ast.NamedExpr):
            self.looked_up.add(node.target.id)
            return self.is_lookup(node.value)
        return isinstance(node, ast.Name) and node.id in self.looked_up

    def is_test(self, test: ast.expr) -> bool:
        """Whether the test holds only for names of a table, or for one that is written out."""
        if isinstance(test, ast.BoolOp):
            choose = all if isinstance(test.op, ast.Or) else any
            return choose([self.is_test(value) for value in test.values])
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            operator, other = test.ops[0], test.comparators[0]
            if isinstance(operator, ast.In):
                return self.is_asked(test.left) and self.is_table(other)
            if isinstance(operator, ast.Eq):
                return self.is_asked(test.left) and isinstance(other, ast.Constant)
            if isinstance(operator, (ast.IsNot, ast.NotEq)):
                return self.is_result(test.left) and isinstance(other, ast.Constant) and other.value is None
            return False
        return self.is_result(test)

    def is_refusal(self, test: ast.expr) -> bool:
        """Whether the test holds for every name that no table has."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.is_test(test.operand)
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            operator, other = test.ops[0], test.comparators[0]
            if isinstance(operator, ast.NotIn):
                return self.is_asked(test.left) and self.is_table(other)
            if isinstance(operator, ast.Is):
                return self.is_result(test.left) and isinstance(other, ast.Constant) and other.value is None
        return False


class Tables:
    """The assignments of a module, and whether all strings that a table can hold stand in this file."""

    def __init__(self, tree: ast.Module) -> None:
        self.values: dict[str, list[ast.expr]] = {}
        self.changed: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                self.changed.add(node.target.id)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                self.changed |= {node.value.id} if isinstance(node.value, ast.Name) else set()
            elif isinstance(node, ast.Attribute) and node.attr in CHANGES and isinstance(node.value, ast.Name):
                self.changed.add(node.value.id)
        for statement in tree.body:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        self.values.setdefault(target.id, []).append(statement.value)
            elif isinstance(statement, ast.AnnAssign) and statement.value and isinstance(statement.target, ast.Name):
                self.values.setdefault(statement.target.id, []).append(statement.value)

    def written_out(self, name: str, depth: int = 0) -> bool:
        values = self.values.get(name, ())
        return len(values) == 1 and name not in self.changed and depth < 5 and self.is_literal(values[0], depth)

    def asks_promises(self, names: set[str]) -> bool:
        """Whether one of these tables is `__all__`, or made of it."""
        parts = [part for name in names for value in self.values[name] for part in ast.walk(value)]
        return "__all__" in names or any(isinstance(part, ast.Name) and part.id == "__all__" for part in parts)

    def is_literal(self, node: ast.expr, depth: int = 0) -> bool:
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            return self.written_out(node.id, depth + 1)
        if isinstance(node, ast.Dict):
            nested = (ast.Dict, ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.BinOp)
            return all(isinstance(key, ast.Constant) for key in node.keys) and all(
                self.is_literal(value, depth) for value in node.values if isinstance(value, nested)
            )
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return all(self.is_literal(item, depth) for item in node.elts)
        if isinstance(node, ast.Starred):
            return self.is_literal(node.value, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitOr, ast.Add)):
            return self.is_literal(node.left, depth) and self.is_literal(node.right, depth)
        if isinstance(node, (ast.DictComp, ast.SetComp, ast.ListComp, ast.GeneratorExp)):
            made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            inner = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
            return isinstance(made[0], ast.Name) and all(
                (isinstance(g.iter, ast.Name) and g.iter.id in inner) or self.is_literal(g.iter, depth)
                for g in node.generators
            )
        if isinstance(node, ast.Call) and not node.keywords:
            if isinstance(node.func, ast.Name) and node.func.id in BUILDERS:
                return all(self.is_literal(argument, depth) for argument in node.args)
            if isinstance(node.func, ast.Attribute) and node.func.attr in VIEWS and not node.args:
                return self.is_literal(node.func.value, depth)
        return False


def _raises(body: Sequence[ast.stmt]) -> bool:
    """Whether the block ends by raising AttributeError."""
    last = body[-1]
    if not isinstance(last, ast.Raise) or last.exc is None:
        return False
    raised = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
    return isinstance(raised, ast.Name) and raised.id == "AttributeError"
