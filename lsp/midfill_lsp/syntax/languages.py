"""What the parsers call things, by language: a table and nothing else. Called by this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["function", "class", "type", "variable", "macro", "module"]


@dataclass(frozen=True, slots=True)
class Language:
    """One grammar, and the names of its nodes.

    Attributes:
        module: the package that brings the grammar; `function` in it returns it.
        comments: nodes of comments.
        strings: nodes of strings and other literal text; an interpolation in them is code.
        interpolations: code inside of a string.
        blocks: bodies with statements or members in them.
        definitions: what defines a name, and of which kind.
        containers: what may hold definitions and is none itself.
        imports: statements that bring in names of other files.
    """

    name: str
    module: str
    comments: frozenset[str]
    strings: frozenset[str]
    blocks: frozenset[str]
    definitions: Mapping[str, Kind]
    containers: frozenset[str]
    imports: frozenset[str]
    interpolations: frozenset[str] = field(default_factory=frozenset[str])
    function: str = "language"


def names(text: str) -> frozenset[str]:
    """Return the names in a text that has blanks between them."""
    return frozenset(text.split())


_PYTHON = Language(
    name="python",
    module="tree_sitter_python",
    comments=names("comment"),
    strings=names("string"),
    interpolations=names("interpolation"),
    blocks=names("block"),
    definitions={
        "function_definition": "function",
        "class_definition": "class",
        "assignment": "variable",
        "type_alias_statement": "type",
    },
    containers=names(
        "module block decorated_definition expression_statement if_statement else_clause "
        "elif_clause try_statement except_clause"
    ),
    imports=names("import_statement import_from_statement future_import_statement"),
)
_JAVASCRIPT = Language(
    name="javascript",
    module="tree_sitter_javascript",
    comments=names("comment html_comment"),
    strings=names("string template_string regex"),
    interpolations=names("template_substitution"),
    blocks=names("statement_block class_body switch_body object"),
    definitions={
        "function_declaration": "function",
        "generator_function_declaration": "function",
        "class_declaration": "class",
        "method_definition": "function",
        "field_definition": "variable",
        "variable_declarator": "variable",
    },
    containers=names(
        "program export_statement lexical_declaration variable_declaration class_body"
    ),
    imports=names("import_statement export_statement lexical_declaration variable_declaration"),
)
_TYPESCRIPT_DEFINITIONS: Mapping[str, Kind] = {
    **{name: kind for name, kind in _JAVASCRIPT.definitions.items() if name != "field_definition"},
    "abstract_class_declaration": "class",
    "interface_declaration": "type",
    "type_alias_declaration": "type",
    "enum_declaration": "type",
    "function_signature": "function",
    "method_signature": "function",
    "abstract_method_signature": "function",
    "public_field_definition": "variable",
    "internal_module": "module",
    "module": "module",
}


def _typescript(name: str, function: str) -> Language:
    return Language(
        name=name,
        module="tree_sitter_typescript",
        function=function,
        comments=_JAVASCRIPT.comments,
        strings=_JAVASCRIPT.strings | names("template_literal_type"),
        interpolations=_JAVASCRIPT.interpolations,
        blocks=_JAVASCRIPT.blocks | names("interface_body enum_body object_type"),
        definitions=_TYPESCRIPT_DEFINITIONS,
        containers=_JAVASCRIPT.containers
        | names("ambient_declaration expression_statement statement_block"),
        imports=_JAVASCRIPT.imports | names("import_alias"),
    )


_GO = Language(
    name="go",
    module="tree_sitter_go",
    comments=names("comment"),
    strings=names("interpreted_string_literal raw_string_literal rune_literal"),
    blocks=names(
        "block field_declaration_list interface_type literal_value import_spec_list "
        "expression_switch_statement type_switch_statement select_statement"
    ),
    definitions={
        "function_declaration": "function",
        "method_declaration": "function",
        "type_spec": "type",
        "type_alias": "type",
        "const_spec": "variable",
        "var_spec": "variable",
    },
    containers=names(
        "source_file type_declaration const_declaration var_declaration var_spec_list"
    ),
    imports=names("import_declaration"),
)
_RUST = Language(
    name="rust",
    module="tree_sitter_rust",
    comments=names("line_comment block_comment"),
    strings=names("string_literal raw_string_literal char_literal"),
    blocks=names(
        "block declaration_list field_declaration_list enum_variant_list match_block "
        "field_initializer_list use_list"
    ),
    definitions={
        "function_item": "function",
        "function_signature_item": "function",
        "struct_item": "type",
        "enum_item": "type",
        "union_item": "type",
        "trait_item": "class",
        "impl_item": "class",
        "type_item": "type",
        "const_item": "variable",
        "static_item": "variable",
        "macro_definition": "macro",
        "mod_item": "module",
    },
    containers=names("source_file declaration_list foreign_mod_item"),
    imports=names("use_declaration extern_crate_declaration"),
)
_C_CONTAINERS = names(
    "translation_unit preproc_ifdef preproc_if preproc_else preproc_elif linkage_specification "
    "declaration_list"
)
_C_DEFINITIONS: Mapping[str, Kind] = {
    "function_definition": "function",
    "declaration": "variable",
    "struct_specifier": "type",
    "union_specifier": "type",
    "enum_specifier": "type",
    "type_definition": "type",
    "preproc_def": "macro",
    "preproc_function_def": "macro",
}
_C = Language(
    name="c",
    module="tree_sitter_c",
    comments=names("comment"),
    strings=names("string_literal char_literal system_lib_string"),
    blocks=names(
        "compound_statement field_declaration_list enumerator_list initializer_list "
        "declaration_list"
    ),
    definitions=_C_DEFINITIONS,
    containers=_C_CONTAINERS,
    imports=names("preproc_include"),
)
_CPP = Language(
    name="cpp",
    module="tree_sitter_cpp",
    comments=_C.comments,
    strings=_C.strings | names("raw_string_literal"),
    blocks=_C.blocks,
    definitions={
        **_C_DEFINITIONS,
        "class_specifier": "class",
        "field_declaration": "variable",
        "alias_declaration": "type",
        "concept_definition": "type",
        "namespace_definition": "module",
    },
    containers=_C_CONTAINERS | names("field_declaration_list template_declaration"),
    imports=_C.imports,
)
_JAVA = Language(
    name="java",
    module="tree_sitter_java",
    comments=names("line_comment block_comment"),
    strings=names("string_literal character_literal"),
    interpolations=names("string_interpolation"),
    blocks=names(
        "block class_body interface_body enum_body annotation_type_body constructor_body "
        "switch_block array_initializer element_value_array_initializer"
    ),
    definitions={
        "class_declaration": "class",
        "interface_declaration": "class",
        "enum_declaration": "type",
        "record_declaration": "class",
        "annotation_type_declaration": "type",
        "method_declaration": "function",
        "constructor_declaration": "function",
        "field_declaration": "variable",
        "constant_declaration": "variable",
    },
    containers=names("program class_body interface_body enum_body enum_body_declarations"),
    imports=names("import_declaration"),
)

_TYPESCRIPT = _typescript("typescript", "language_typescript")
_TSX = _typescript("tsx", "language_tsx")

BY_LANGUAGE_ID: Mapping[str, Language] = {
    "python": _PYTHON,
    "javascript": _JAVASCRIPT,
    "javascriptreact": _JAVASCRIPT,
    "jsx": _JAVASCRIPT,
    "typescript": _TYPESCRIPT,
    "typescriptreact": _TSX,
    "tsx": _TSX,
    "go": _GO,
    "rust": _RUST,
    "c": _C,
    "cpp": _CPP,
    "c++": _CPP,
    "cuda": _CPP,
    "cuda-cpp": _CPP,
    "java": _JAVA,
}
"""Languages by the id that editors send (LSP 3.18, `TextDocumentItem`), and by what some send."""
