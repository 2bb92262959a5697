"""JavaScript whose statements count themselves.

``tick();`` is written before each statement, into each body that has none (an empty loop, an empty
function) and before the value of each arrow function, always on the same line: lines stay what
they are. tree-sitter says where statements are; the engine has the last word on syntax.
"""

from collections.abc import Iterator, Sequence

import tree_sitter
import tree_sitter_javascript

from naftiko_run.scripts.texts import Places, ScriptSyntaxError, ScriptText

_LANGUAGE = tree_sitter.Language(tree_sitter_javascript.language())
_LISTS = frozenset({"program", "statement_block", "switch_case", "switch_default"})
_BODIES = frozenset(
    {
        "for_statement",
        "for_in_statement",
        "while_statement",
        "do_statement",
        "if_statement",
        "else_clause",
    }
)
"""What has one statement, or a block, as its body."""
_NO_MODULES = "'import' and 'export' are for modules; name the file under 'dependencies'"
_REFUSED = {
    "import_statement": _NO_MODULES,
    "export_statement": _NO_MODULES,
    # A member of the object could stand in the counter's place: a function's text has its name.
    "with_statement": "'with' is refused here; write the object's name before its members",
}

_Insertion = tuple[int, int, str]


def counting(files: Sequence[ScriptText], tick: str) -> tuple[str, Places]:
    """Join files into one source in which statements call ``tick``; the second says what is where.

    Raises:
        ScriptSyntaxError: a file is no script in JavaScript.
    """
    parts: list[str] = []
    places: list[tuple[int, str, int]] = []
    line = 1
    for file in files:
        text = _counting(file, tick)
        places.append((line, file.name, 1))
        # A file that does not end its last statement ends it here.
        parts.append(f"{text}\n;\n")
        line += text.count("\n") + 2
    return "".join(parts), tuple(places)


def _counting(file: ScriptText, tick: str) -> str:
    # U+2028 and U+2029 end lines too, but not for those who count lines of files.
    content = file.text.replace("\r\n", "\n").replace("\r", "\n").encode()
    tree = tree_sitter.Parser(_LANGUAGE).parse(content)
    if tree.root_node.has_error:
        raise _fault(file, tree.root_node)
    insertions = sorted(
        (insertion for node in _walk(tree.root_node) for insertion in _of(node, file, tick)),
        key=lambda each: each[:2],
    )
    parts: list[bytes] = []
    end = 0
    for position, _, text in insertions:
        parts += [content[end:position], text.encode()]
        end = position
    parts.append(content[end:])
    return b"".join(parts).decode()


def _walk(root: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    rest = [root]
    while rest:
        node = rest.pop()
        yield node
        rest.extend(reversed(node.children))


def _of(node: tree_sitter.Node, file: ScriptText, tick: str) -> Iterator[_Insertion]:
    """Give what is written because of a node: where, what comes first there, and the text."""
    call = f"{tick}();"
    refused = _REFUSED.get(node.type)
    if refused:
        line, column = node.start_point
        raise ScriptSyntaxError(file.name, line + 1, column + 1, refused)
    if node.type in _LISTS:
        yield from _of_list(node, call)
    elif node.type in _BODIES:
        for body in _bodies(node):
            if body.type not in ("statement_block", "else_clause"):
                yield body.start_byte, 1, f"{{{call}"
                yield body.end_byte, -1, "}"
    elif node.type == "arrow_function":
        body_ = node.child_by_field_name("body")
        if body_ is not None and body_.type != "statement_block":
            yield body_.start_byte, 1, f"({tick}(),"
            yield body_.end_byte, -1, ")"


def _bodies(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    if node.type == "else_clause":
        return [child for child in node.named_children if child.type != "comment"][-1:]
    field = "consequence" if node.type == "if_statement" else "body"
    found = node.child_by_field_name(field)
    return [found] if found is not None else []


def _of_list(node: tree_sitter.Node, call: str) -> Iterator[_Insertion]:
    value = node.child_by_field_name("value") if node.type == "switch_case" else None
    statements = [
        child
        for child in node.named_children
        if child.type not in ("comment", "hash_bang_line", "html_comment") and child != value
    ]
    if not statements and node.type == "statement_block":
        yield node.start_byte + 1, 0, call
    directives = _may_have_directives(node)
    for statement in statements:
        directives = directives and _is_directive(statement)
        if not directives:
            yield statement.start_byte, 0, call
    if statements and directives and node.type == "statement_block":
        yield statements[-1].end_byte, 0, f";{call}"


def _may_have_directives(node: tree_sitter.Node) -> bool:
    parent = node.parent
    if node.type == "program":
        return True
    return (
        node.type == "statement_block"
        and parent is not None
        and ("function" in parent.type or parent.type == "method_definition")
    )


def _is_directive(node: tree_sitter.Node) -> bool:
    return (
        node.type == "expression_statement"
        and bool(node.named_children)
        and node.named_children[0].type == "string"
    )


def _fault(file: ScriptText, root: tree_sitter.Node) -> ScriptSyntaxError:
    for node in _walk(root):
        if node.is_missing:
            line, column = node.start_point
            return ScriptSyntaxError(file.name, line + 1, column + 1, f"{node.type!r} is missing")
        if node.type == "ERROR":
            inner = next((n for n in _walk(node) if n.type == "ERROR" and n != node), node)
            line, column = inner.start_point
            near = (inner.text or b"").decode(errors="replace").strip().split("\n")[0][:40]
            what = f"this is no JavaScript, at or after {near!r}" if near else "no JavaScript"
            return ScriptSyntaxError(file.name, line + 1, column + 1, what)
    return ScriptSyntaxError(file.name, 1, 1, "this is no JavaScript")
