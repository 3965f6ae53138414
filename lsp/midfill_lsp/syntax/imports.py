"""What a file imports: the module that each statement names, and the names it brings. Pure.

Called by `context`, which looks for the files behind them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import tree_sitter

from midfill_lsp.syntax.source import MAX_DEPTH, Source

_BLANKS = re.compile(r"\s+")
_REQUIRE = re.compile(r"\brequire\(\s*['\"]([^'\"]+)['\"]\s*\)")


@dataclass(frozen=True, slots=True)
class Import:
    """A module that a statement names.

    Attributes:
        text: the statement on one line.
        module: as it stands there: a dotted name, a path, a header without its quotes.
        names: what the file calls the things it gets from there, as far as that is said.
    """

    text: str
    module: str
    names: tuple[str, ...]


def imports(source: Source) -> tuple[Import, ...]:
    """Return the imports outside of functions and classes, in their order."""
    read = _READERS[source.grammar.language.name]
    found: list[Import] = []
    for node in _statements(source, source.tree.root_node, 0):
        text = _BLANKS.sub(" ", source.text_of(node)).strip()
        found.extend(Import(text, module, names) for module, names in read(source, node) if module)
    return tuple(found)


def _statements(source: Source, node: tree_sitter.Node, depth: int) -> Iterator[tree_sitter.Node]:
    language = source.grammar.language
    for child in node.named_children:
        if child.type in language.imports:
            yield child
        elif child.type in language.containers and depth < MAX_DEPTH:
            yield from _statements(source, child, depth + 1)


_Found = Iterator[tuple[str, tuple[str, ...]]]


def _python(source: Source, node: tree_sitter.Node) -> _Found:
    module = node.child_by_field_name("module_name")
    brought = node.children_by_field_name("name")
    if module is not None:
        yield source.text_of(module), tuple(_python_name(source, part) for part in brought)
    elif node.type == "import_statement":
        for part in brought:
            whole = part.child_by_field_name("name") or part
            yield source.text_of(whole), (_python_name(source, part).partition(".")[0],)


def _python_name(source: Source, node: tree_sitter.Node) -> str:
    return source.text_of(node.child_by_field_name("alias") or node)


def _javascript(source: Source, node: tree_sitter.Node) -> _Found:
    module = node.child_by_field_name("source")
    if module is not None:
        yield source.text_of(module).strip("'\"`"), tuple(_script_names(source, node))
        return
    text = source.text_of(node)
    required = _REQUIRE.search(text)
    if required:
        names = re.findall(r"[\w$]+", text[: required.start()].partition("=")[0])
        yield required[1], tuple(name for name in names if name not in ("const", "let", "var"))


def _script_names(source: Source, node: tree_sitter.Node) -> Iterator[str]:
    for child in node.named_children:
        if child.type in ("import_specifier", "export_specifier"):
            named = child.child_by_field_name("alias") or child.child_by_field_name("name")
            if named is not None:
                yield source.text_of(named)
        elif child.type == "identifier":
            yield source.text_of(child)
        elif child.type != "string":
            yield from _script_names(source, child)


def _go(source: Source, node: tree_sitter.Node) -> _Found:
    for child in node.named_children:
        if child.type == "import_spec_list":
            yield from _go(source, child)
        elif child.type == "import_spec":
            path, name = child.child_by_field_name("path"), child.child_by_field_name("name")
            module = source.text_of(path).strip('"`') if path is not None else ""
            known = source.text_of(name) if name is not None else module.rpartition("/")[2]
            yield module, (known,)


def _rust(source: Source, node: tree_sitter.Node) -> _Found:
    used = node.child_by_field_name("argument") or node.child_by_field_name("name")
    if used is None:
        return
    text = _BLANKS.sub("", source.text_of(used).replace(" as ", ">"))
    module, brace, inner = text.partition("::{")
    if not brace:
        module, _, inner = text.rpartition("::")
    parts = [part.rpartition("::")[2].rpartition(">")[2] for part in re.split("[{},]", inner)]
    yield module or inner, tuple(part for part in parts if part and part != "*")


def _c(source: Source, node: tree_sitter.Node) -> _Found:
    path = node.child_by_field_name("path")
    if path is not None:
        yield source.text_of(path).strip('<>"'), ()


def _java(source: Source, node: tree_sitter.Node) -> _Found:
    text = source.text_of(node).removeprefix("import").strip(" ;\n").removeprefix("static ")
    module, _, last = text.strip().rpartition(".")
    yield (module, ()) if last == "*" else (text.strip(), (last,))


_READERS: Mapping[str, Callable[[Source, tree_sitter.Node], _Found]] = {
    "python": _python,
    "javascript": _javascript,
    "typescript": _javascript,
    "tsx": _javascript,
    "go": _go,
    "rust": _rust,
    "c": _c,
    "cpp": _c,
    "java": _java,
}
