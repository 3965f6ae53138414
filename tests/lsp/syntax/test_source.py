"""Parsing, changes, windows and places; offsets are code points whatever the text holds."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from midfill_lsp import syntax
from midfill_lsp.syntax.languages import BY_LANGUAGE_ID
from tests.lsp.syntax.parsing import GRAMMARS, at_cursor, parsed

PIECES = ["(", ")", "\n", "    ", "x = 1", "é", "😀", '"', "def f():", "#", "\ud800", ":", "{", "}"]


@pytest.mark.parametrize("language_id", sorted(BY_LANGUAGE_ID))
def test_every_language_loads(language_id: str) -> None:
    grammars = syntax.Grammars()
    assert grammars.must_load(language_id)
    assert grammars.loaded(language_id) is None
    grammar = grammars.load(language_id)
    assert grammar is not None
    assert grammars.loaded(language_id) is grammar
    assert not grammars.must_load(language_id)
    assert syntax.parse(grammar, "") is not None


def test_a_language_without_grammar_has_none() -> None:
    grammars = syntax.Grammars()
    assert not grammars.must_load("cobol")
    assert grammars.load("cobol") is None


def test_the_names_in_the_table_are_the_grammars_own() -> None:
    for language_id, language in BY_LANGUAGE_ID.items():
        grammar = GRAMMARS.load(language_id)
        assert grammar is not None
        named = (
            *(language.comments | language.strings | language.blocks | language.containers),
            *(language.interpolations | language.imports | set(language.definitions)),
        )
        unknown = [name for name in named if grammar.compiled.id_for_node_kind(name, True) is None]
        assert not unknown, language.name


@pytest.mark.parametrize("seed", range(40))
def test_a_change_gives_the_tree_of_the_new_text(seed: int) -> None:
    rng = random.Random(seed)
    source = parsed("python", "".join(rng.choices(PIECES, k=30)))
    for _ in range(10):
        start, end = sorted(rng.randrange(len(source.text) + 1) for _ in range(2))
        fresh = "".join(rng.choices(PIECES, k=rng.randrange(4)))
        text = source.text[:start] + fresh + source.text[end:]
        changed = syntax.replaced(source, start, end, fresh)
        assert changed is not None
        assert changed.text == text
        assert changed.data == text.encode("utf-8", "replace")
        assert changed.tree.root_node.end_byte <= len(changed.data)
        for offset in range(len(text) + 1):
            assert changed.offset_of(changed.byte_of(offset)) == offset
        source = changed


def test_a_change_in_sound_text_is_parsed_as_from_the_start() -> None:
    body = "".join(f"def f{idx}(a):\n    return a + {idx}\n\n" for idx in range(20))
    source = parsed("python", body)
    place = body.index("def f7")
    changed = syntax.replaced(source, place, place, "x = [1,\n     2]\n\n")
    assert changed is not None
    fresh = parsed("python", changed.text)
    assert str(changed.tree.root_node) == str(fresh.tree.root_node)
    assert not syntax.faults(changed)
    assert not syntax.faults(source)


def test_long_text_is_refused_and_a_slow_parse_given_up() -> None:
    grammar = GRAMMARS.load("python")
    assert grammar is not None
    assert syntax.parse(grammar, "x" * (syntax.MAX_CHARS + 1)) is None
    assert syntax.parse(grammar, "x = (1, [2])\n" * 4000, max_steps=10) is None
    source = parsed("python", "x = 1\n")
    assert syntax.replaced(source, 0, 0, "y" * syntax.MAX_CHARS) is None


def test_threads_parse_at_once() -> None:
    text = "".join(f"def f{idx}(a):\n    return (a + {idx})\n" for idx in range(200))
    with ThreadPoolExecutor(4) as pool:
        sources = list(pool.map(parsed, ["python"] * 8, [text] * 8))
    assert {str(source.tree.root_node) for source in sources} == {
        str(parsed("python", text).tree.root_node)
    }


def test_faults_lie_where_the_text_is_wrong() -> None:
    text = "é = 1\nx = )\ny = 2\n"
    (fault,) = syntax.faults(parsed("python", text))
    assert text[fault.start : fault.end].strip() in (")", "x = )")
    assert not fault.missing
    (missing,) = syntax.faults(parsed("c", "int é = 1"))
    assert (missing.start, missing.end, missing.missing) == (9, 9, True)


@pytest.mark.parametrize(
    ("language_id", "text", "inside"),
    [
        ("python", "x = 'é█'", "string"),
        ("python", "x = █'a'", "code"),
        ("python", "x = 'a'█", "code"),
        ("python", "x = f'{a.█}'", "code"),
        ("python", "x = f'{a} █'", "string"),
        ("python", "x = 1  # a█", "comment"),
        ("python", "x = 1  # a█\ny = 2", "comment"),
        ("python", 'def f():\n    """A █\n    """\n', "string"),
        ("javascript", "const a = `${b█}`;", "code"),
        ("javascript", "const a = `${b} █`;", "string"),
        ("javascript", "/* a █ */", "comment"),
        ("javascript", "/* a */█", "code"),
        ("typescriptreact", "const a = <p>text █ </p>;", "code"),
        ("typescriptreact", "const a = <p>{b█}</p>;", "code"),
        ("go", "// a█", "comment"),
        ("go", "var a = `b█`", "string"),
        ("rust", "fn f<'a>(x: &'a█ str) {}", "code"),
        ("c", 'char *a = "b█";', "string"),
        ("cpp", "// a█\nint b;", "comment"),
        ("java", 'String a = "b█";', "string"),
    ],
)
def test_what_an_offset_is_inside_of(language_id: str, text: str, inside: str) -> None:
    assert at_cursor(language_id, text).inside == inside


def test_the_block_around_an_offset() -> None:
    text = "function é() {\n  if (a) {\n    █\n  }\n}\n"
    place = at_cursor("javascript", text)
    assert place.block is not None
    start, end = place.block
    assert text.replace("█", "")[start:end] == "{\n    \n  }"
    assert place.kinds[0] == "statement_block"
    assert "function_declaration" in place.kinds
    assert at_cursor("javascript", "a█;\n").block is None


def test_a_window_is_of_whole_lines_and_begins_at_the_left() -> None:
    text = "".join(f"def f{idx}():\n    return {idx}\n" for idx in range(500))
    offset = len(text) // 2
    start, end = syntax.window(text, offset, 1000, 300)
    assert text[start:].startswith("def f")
    assert text[end:].startswith("def f")
    assert 500 <= offset - start <= 1000
    assert 150 <= end - offset <= 300
    assert syntax.window(text, 10, 1000, 300)[0] == 0
    assert syntax.window(text, len(text), 1000, 300)[1] == len(text)
    assert syntax.window("x" * 10_000, 5000, 1000, 300) == (4000, 5300)
    indented = "    x = 1\n" * 300
    start, _ = syntax.window(indented, 2000, 995, 100)
    assert indented[start - 1] == "\n"
    assert start > 1000
