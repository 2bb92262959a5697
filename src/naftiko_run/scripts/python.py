"""Python whose statements count themselves.

``tick()`` stands before each statement, and is asked for each round of a comprehension and each
call of a lambda. The source is written anew from its tree, so a table says where each line was.
"""

import ast
from collections.abc import Iterator, Sequence

from naftiko_run.scripts.texts import Places, ScriptSyntaxError, ScriptText

_DEEPEST = 100
"""How deep statements and expressions may be nested."""


def counting(files: Sequence[ScriptText], tick: str) -> tuple[str, Places]:
    """Join files into one source in which statements call ``tick``; the second says what is where.

    Raises:
        ScriptSyntaxError: a file is not Python.
    """
    body: list[ast.stmt] = []
    origins: list[tuple[str, int]] = []
    for file in files:
        module = _parsed(file)
        counted = _Counting(tick).visit(module)
        body += counted.body
        origins += [(file.name, statement.lineno) for statement in _statements(counted)]
    source = ast.unparse(ast.fix_missing_locations(ast.Module(body=body, type_ignores=[])))
    written = _statements(ast.parse(source))
    places: dict[int, tuple[int, str, int]] = {}
    for statement, (file_name, line) in zip(written, origins, strict=True):
        places.setdefault(statement.lineno, (statement.lineno, file_name, line))
    return source + "\n", tuple(places[line] for line in sorted(places))


def _parsed(file: ScriptText) -> ast.Module:
    try:
        module = ast.parse(file.text, file.name)
        _check_depth(file, module)
    except SyntaxError as error:
        message = error.msg or "this is no Python"
        raise ScriptSyntaxError(
            file.name, error.lineno or 1, max(1, error.offset or 1), message
        ) from None
    except (ValueError, MemoryError, RecursionError) as error:
        what = str(error) or "this is nested too deeply"
        raise ScriptSyntaxError(file.name, 1, 1, what) from None
    # They change nothing of what a script can do, and would stand in the midst of others.
    module.body = [
        statement
        for statement in module.body
        if not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
    ]
    return module


def _check_depth(file: ScriptText, module: ast.Module) -> None:
    rest: list[tuple[ast.AST, int, int]] = [(module, 0, 1)]
    while rest:
        node, depth, line = rest.pop()
        line = getattr(node, "lineno", line)
        if depth > _DEEPEST:
            raise ScriptSyntaxError(file.name, line, 1, "this is nested too deeply")
        rest += [(child, depth + 1, line) for child in ast.iter_child_nodes(node)]


def _statements(module: ast.AST) -> Iterator[ast.stmt]:
    """Give all statements, each before those inside it, in the order of the text."""
    for node in ast.iter_child_nodes(module):
        if isinstance(node, ast.stmt):
            yield node
        yield from _statements(node)


class _Counting(ast.NodeTransformer):
    def __init__(self, tick: str) -> None:
        self._tick = tick

    def _call(self) -> ast.Call:
        return ast.Call(func=ast.Name(id=self._tick, ctx=ast.Load()), args=[], keywords=[])

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Write a call before each statement of each body of a node."""
        super().generic_visit(node)
        if isinstance(node, ast.ClassDef):
            return node  # its methods count themselves; the interpreter takes nothing else in it
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, [each for inner in value for each in self._counted(inner)])
        return node

    def _counted(self, statement: ast.stmt) -> tuple[ast.stmt, ast.stmt]:
        return ast.copy_location(ast.Expr(value=self._call()), statement), statement

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Count the calls of a function that has no statements."""
        self.generic_visit(node)
        node.body = ast.BoolOp(op=ast.Or(), values=[self._call(), node.body])
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        """Count the rounds of a loop that has no statements."""
        self.generic_visit(node)
        node.ifs.insert(0, ast.UnaryOp(op=ast.Not(), operand=self._call()))
        return node
