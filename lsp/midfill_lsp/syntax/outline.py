"""What a file defines: names and signatures, without bodies. Pure.

Called by `context`. Looks at the top and into classes, never into functions, so that a file costs
as much as it has definitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter

from midfill_lsp.syntax.languages import Kind, names
from midfill_lsp.syntax.source import MAX_DEPTH, Source

_MAX_SIGNATURE_CHARS = 400
_BLANKS = re.compile(rb"\s+")
_NAMES = names(
    "identifier field_identifier type_identifier property_identifier private_property_identifier "
    "destructor_name operator_name operator_cast qualified_identifier"
)
_DECLARING = _NAMES | names("function_declarator pointer_declarator init_declarator")
_WRAPPERS = names(
    "decorated_definition export_statement template_declaration lexical_declaration "
    "variable_declaration expression_statement type_declaration const_declaration "
    "var_declaration ambient_declaration"
)
_PATTERNS = names(
    "object_pattern array_pattern pattern_list tuple_pattern list_pattern attribute subscript"
)
_FUNCTION_VALUES = names("arrow_function function_expression function lambda")


@dataclass(frozen=True, slots=True)
class Definition:
    """A name that the file defines.

    Attributes:
        container: names of the classes and modules around it, outermost first, with dots.
        signature: the text up to the body on one line; all of it where there is no body.
        start: with what belongs to it, such as decorators; [start, end) in code points.
        body_start: where the body begins, None if it has none.
    """

    name: str
    kind: Kind
    container: str
    signature: str
    start: int
    end: int
    body_start: int | None


def definitions(source: Source) -> tuple[Definition, ...]:
    """Return what the file defines, in its order."""
    return tuple(_definitions(source, source.tree.root_node, "", 0))


def _definitions(
    source: Source, node: tree_sitter.Node, container: str, depth: int
) -> Iterator[Definition]:
    language = source.grammar.language
    if depth > MAX_DEPTH:
        return
    for child in node.named_children:
        kind = language.definitions.get(child.type)
        if kind is None:
            if child.type in language.containers:
                yield from _definitions(source, child, container, depth + 1)
            continue
        name = _name(source, child)
        if not name:
            continue
        body = _body(child)
        yield _definition(source, child, body, name, kind, container)
        if body is not None and kind in ("class", "module"):
            inner = f"{container}.{name}" if container else name
            yield from _definitions(source, body, inner, depth + 1)


def _definition(
    source: Source,
    node: tree_sitter.Node,
    body: tree_sitter.Node | None,
    name: str,
    kind: Kind,
    container: str,
) -> Definition:
    whole = node
    parent = node.parent
    while parent is not None and parent.type in _WRAPPERS and parent.end_byte - node.end_byte <= 1:
        whole, parent = parent, parent.parent
    if kind == "variable" and _is_function(node):
        kind = "function"
    is_whole = kind in ("type", "macro", "variable") or body is None
    end = whole.end_byte if is_whole or body is None else body.start_byte
    if is_whole and body is not None and end - whole.start_byte > _MAX_SIGNATURE_CHARS:
        end = body.start_byte
    return Definition(
        name=name,
        kind=kind,
        container=container,
        signature=_one_line(source.data[whole.start_byte : end]),
        start=source.offset_of(whole.start_byte),
        end=source.offset_of(whole.end_byte),
        body_start=body and source.offset_of(body.start_byte),
    )


def _one_line(data: bytes) -> str:
    text = _BLANKS.sub(b" ", data).decode(errors="ignore").strip()
    text = text.removesuffix("=>").rstrip(" {:;")
    return text if len(text) <= _MAX_SIGNATURE_CHARS else text[:_MAX_SIGNATURE_CHARS].rstrip()


def _name(source: Source, node: tree_sitter.Node) -> str:
    """Return the name that a node defines, "" if it has none."""
    named = (
        node.child_by_field_name("name")
        or node.child_by_field_name("left")
        or node.child_by_field_name("property")
        or (node.child_by_field_name("type") if node.type == "impl_item" else None)
    )
    if named is None:
        named = _declared(node)
    if named is None or named.type in _PATTERNS:
        return ""
    return source.text_of(named)


def _declared(node: tree_sitter.Node) -> tree_sitter.Node | None:
    """Return the name inside of the declarators of C, C++ and Java."""
    inner = node.child_by_field_name("declarator")
    while inner is not None and inner.type not in _NAMES:
        inner = (
            inner.child_by_field_name("declarator")
            or inner.child_by_field_name("name")
            or next((child for child in inner.named_children if child.type in _DECLARING), None)
        )
    return inner


def _body(node: tree_sitter.Node) -> tree_sitter.Node | None:
    body = node.child_by_field_name("body")
    value = node.child_by_field_name("value") or node.child_by_field_name("right")
    if body is None and value is not None and value.type in _FUNCTION_VALUES:
        return value.child_by_field_name("body")
    return body


def _is_function(node: tree_sitter.Node) -> bool:
    """Whether a variable holds a function, or a declaration of C is one's prototype."""
    value = node.child_by_field_name("value") or node.child_by_field_name("right")
    if value is not None:
        return value.type in _FUNCTION_VALUES
    inner = node.child_by_field_name("declarator")
    while inner is not None:
        if inner.type == "function_declarator":
            return True
        inner = inner.child_by_field_name("declarator")
    return False
