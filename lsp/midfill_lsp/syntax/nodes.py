"""Questions about places in a parsed text. Offsets are code points. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import tree_sitter

from midfill_lsp.syntax.source import Source

Inside = Literal["code", "string", "comment"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What the parser could not make sense of: [start, end) of the text.

    Attributes:
        missing: the parser put in a token that is not there; then start is end.
    """

    start: int
    end: int
    missing: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where an offset stands.

    Attributes:
        inside: code, or literal text, or a comment.
        kinds: types of the named nodes around it, innermost first.
        block: [start, end) of the innermost body around it, None at the top.
    """

    inside: Inside
    kinds: tuple[str, ...]
    block: tuple[int, int] | None


def faults(source: Source) -> tuple[Fault, ...]:
    """Return all faults, in text order; what lies inside of one is not looked at."""
    return tuple(
        Fault(source.offset_of(node.start_byte), source.offset_of(node.end_byte), node.is_missing)
        for node in _faulty(source.tree.root_node)
    )


def num_faults(source: Source) -> int:
    """Return how many faults there are, those without a place among them.

    Two statements of Python on one line are one, since what is missing has no node.
    """
    return _num_faulty(source.tree.root_node, int(source.grammar.language.name == "python"))


def place(source: Source, offset: int) -> Place:
    """Return where `offset` stands; between two characters it is inside of both their nodes."""
    byte = source.byte_of(offset)
    language = source.grammar.language
    around = list(ancestors(source, byte))
    inside: Inside = "code"
    for node in around:
        if node.type in language.interpolations and node.start_byte < byte < node.end_byte:
            break
        if node.type in language.comments and _holds(source, node, byte):
            inside = "comment"
            break
        if node.type in language.strings and _holds(source, node, byte):
            inside = "string"
            break
    block = next((node for node in around if node.type in language.blocks), None)
    return Place(
        inside=inside,
        kinds=tuple(node.type for node in around if node.is_named),
        block=block and (source.offset_of(block.start_byte), source.offset_of(block.end_byte)),
    )


def ancestors(source: Source, byte: int) -> Iterator[tree_sitter.Node]:
    """Yield the nodes around a place in `source.data`, innermost first."""
    before = max(0, byte - 1)
    node = source.tree.root_node.descendant_for_byte_range(before, byte)
    while node is not None:
        yield node
        node = node.parent


def _holds(source: Source, node: tree_sitter.Node, byte: int) -> bool:
    """Whether what is typed at `byte` gets into the node: a line's comment has no end."""
    if node.start_byte < byte < node.end_byte:
        return True
    if byte != node.end_byte or node.type not in source.grammar.language.comments:
        return False
    text = source.data[node.start_byte : byte]
    return not text.endswith((b"*/", b"-->"))


def _num_faulty(node: tree_sitter.Node, num_hidden: int) -> int:
    if node.is_error or node.is_missing:
        return 1
    if not node.has_error:
        return 0
    # If no child is at fault, a token without a node is missing, such as the end of a line.
    return sum(_num_faulty(child, num_hidden) for child in node.children) or num_hidden


def _faulty(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    if node.is_error or node.is_missing:
        yield node
    elif node.has_error:
        for child in node.children:
            yield from _faulty(child)
