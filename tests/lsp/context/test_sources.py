"""Sources, ranking and choice: pieces, imports to files, budgets, and a choice that stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from midfill_lsp.context.buffers import pool_of
from midfill_lsp.context.choose import Choice, best, hold
from midfill_lsp.context.edits import RecentEdits, pools_of
from midfill_lsp.context.index import Tree, tree_of, walk
from midfill_lsp.context.outlines import Outlines
from midfill_lsp.context.resolve import files_of
from midfill_lsp.context.score import Pool, query_of, rank
from midfill_lsp.context.snippet import Snippet
from midfill_lsp.context.terms import words
from midfill_lsp.context.workspace import Workspace
from midfill_lsp.document import open_snapshot
from midfill_lsp.syntax import Grammars, Import


def piece(name: str, text: str, first_line: int = 0) -> Snippet:
    return Snippet("buffer", f"file:///{name}.py", first_line, text, frozenset(words(text)))


def test_pieces_cover_a_document_and_end_at_breaks() -> None:
    text = "".join(
        f"def function_{n}(value):\n    first = value\n    return first\n\n\n" for n in range(30)
    )
    snapshot = open_snapshot("file:///a.py", "python", 1, text, "utf-8")
    pool = pool_of(snapshot)
    together = "".join(snippet.text for snippet in pool.snippets)
    assert [row for row in together.split("\n") if row] == [row for row in text.split("\n") if row]
    assert all(snippet.text.startswith("def ") for snippet in pool.snippets)
    assert all(snippet.text.count("\n") <= 24 for snippet in pool.snippets)
    for word, holders in pool.holders.items():
        assert all(word in pool.snippets[idx].terms for idx in holders)


def test_rare_words_near_the_cursor_rank_first() -> None:
    pools = [Pool.of([piece(f"common{n}", "shared_word = 1\n")]) for n in range(9)]
    pools.append(Pool.of([piece("rare", "rare_word = shared_word\n")]))
    query = query_of("file:///x.py", 3, "shared_word\nrare_word\nx = ", "\n")
    ranked = rank(pools, query)
    assert ranked[0].snippet.uri == "file:///rare.py"
    assert [each.snippet.uri for each in ranked[1:]] == sorted(
        each.snippet.uri for each in ranked[1:]
    )


def test_what_stands_around_the_cursor_is_dropped_and_the_budget_holds() -> None:
    around = "alpha_value = beta_value\ngamma_value = delta_value\n"
    pools = [
        Pool.of([piece("copy", around)]),
        Pool.of([piece("new", "alpha_value = other_value\nbeta_value = more_value\n")]),
        Pool.of([piece("long", "alpha_value beta_value gamma_value\n" * 400)]),
    ]
    query = query_of("file:///x.py", 2, around, "\n")
    chosen = best(rank(pools, query), query, 200)
    assert [snippet.uri for snippet in chosen] == ["file:///new.py"]
    assert sum(snippet.tokens for snippet in chosen) <= 200
    assert best(rank(pools, query), query, 5) == ()


def test_a_choice_stays_until_another_is_much_better() -> None:
    first, second = piece("a", "alpha_word = 1\n"), piece("b", "beta_word = gamma_word\n")
    pools = [Pool.of([first]), Pool.of([second])]
    choice: Choice | None = None

    def held(prefix: str, line_idx: int) -> tuple[Snippet, ...]:
        nonlocal choice
        query = query_of("file:///x.py", line_idx, prefix, "")
        ranked = rank(pools, query)
        choice = hold(query, best(ranked, query, 20), ranked, choice)
        return choice.snippets

    assert held("alpha_word", 0) == (first,)
    assert held("alpha_word\nbeta_word", 1) == (first,)  # better, but not by much
    assert held("beta_word gamma_word", 2) == (second,)
    assert held("beta_word gamma_word alpha_word", 90) == (second,)


def test_recent_edits_are_a_ring_that_joins_neighbours() -> None:
    lines = "".join(f"line_number_{n} = {n}\n" for n in range(200))
    documents = {"file:///a.py": open_snapshot("file:///a.py", "python", 1, lines, "utf-8")}
    edits = RecentEdits()
    edits.add("file:///a.py", 10, 10)
    edits.add("file:///a.py", 12, 13)
    edits.add("file:///a.py", 150, 150)
    edits.add("file:///gone.py", 1, 1)
    found = [pool.snippets[0] for pool in pools_of(edits.regions(), documents, "file:///x.py")]
    assert [snippet.first_line for snippet in found] == [146, 6]
    assert "line_number_13" in found[1].terms
    assert list(pools_of(edits.regions(), documents, "file:///a.py")) == []
    edits.forget("file:///a.py")
    assert list(pools_of(edits.regions(), documents, "file:///x.py")) == []


PATHS = (
    "/w/app/main.py", "/w/app/util.py", "/w/app/pkg/__init__.py", "/w/src/lib/core.py",
    "/w/web/main.ts", "/w/web/view.tsx", "/w/web/parts/index.ts", "/w/web/old.js",
    "/w/c/main.c", "/w/c/main.h", "/w/include/lib/api.h", "/w/go/main.go",
    "/w/go/store/store.go", "/w/go/store/store_test.go", "/w/rs/src/main.rs", "/w/rs/src/net.rs",
    "/w/rs/src/net/tcp.rs", "/w/java/src/com/x/Y.java", "/w/java/src/com/x/Main.java",
)  # fmt: skip


@pytest.mark.parametrize(
    ("language", "path", "module", "names", "expected"),
    [
        ("python", "/w/app/main.py", ".util", ("f",), ["/w/app/util.py"]),
        ("python", "/w/app/main.py", ".", ("util", "pkg"), ["/w/app/util.py"]),
        ("python", "/w/app/main.py", "app.pkg", ("A",), ["/w/app/pkg/__init__.py"]),
        ("python", "/w/app/main.py", "lib.core", (), ["/w/src/lib/core.py"]),
        ("python", "/w/app/main.py", "os", (), []),
        ("typescript", "/w/web/main.ts", "./view", ("V",), ["/w/web/view.tsx"]),
        ("typescript", "/w/web/main.ts", "./view.js", ("V",), ["/w/web/view.tsx"]),
        ("typescript", "/w/web/main.ts", "./parts", (), ["/w/web/parts/index.ts"]),
        ("javascript", "/w/web/main.ts", "react", (), []),
        ("c", "/w/c/main.c", "main.h", (), ["/w/c/main.h"]),
        ("cpp", "/w/c/main.c", "lib/api.h", (), ["/w/include/lib/api.h"]),
        ("go", "/w/go/main.go", "example.com/m/store", ("store",), ["/w/go/store/store.go"]),
        ("go", "/w/go/main.go", "fmt", ("fmt",), []),
        ("rust", "/w/rs/src/main.rs", "crate::net::tcp", ("T",),
         ["/w/rs/src/net/tcp.rs", "/w/rs/src/net.rs"]),
        ("rust", "/w/rs/src/main.rs", "net", ("net",), ["/w/rs/src/net.rs"]),
        ("java", "/w/java/src/com/x/Main.java", "com.x.Y", ("Y",), ["/w/java/src/com/x/Y.java"]),
    ],
)  # fmt: skip
def test_imports_mean_files(
    language: str, path: str, module: str, names: tuple[str, ...], expected: list[str]
) -> None:
    tree: Tree = tree_of(PATHS, {"/w/go": "example.com/m"}, True)
    found = files_of(Import("", module, names), language, path, ("/w", "/w/rs"), tree)
    assert list(found) == expected


def test_the_walk_obeys_rules_links_and_its_bound(tmp_path: Path) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    for name in ("a.py", "b/c.ts", "node_modules/x.js", "gen/y.py", "b/secret.go", ".ssh/z.py"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x = 1\n", "utf-8")
    (top / ".gitignore").write_text("gen/\n[z-a]\n", "utf-8")  # the latter ended the walk
    (top / "b/.midfillignore").write_text("secret.go\n", "utf-8")
    (top / "go.mod").write_text("module example.com/top\n", "utf-8")
    outside.mkdir()
    (outside / "o.py").write_text("x = 1\n", "utf-8")
    os.mkfifo(top / "pipe.py")
    os.mkfifo(top / "b/go.mod")  # it kept the process for good
    (top / "link").symlink_to(outside)
    (top / "o.py").symlink_to(outside / "o.py")
    real = top.resolve()
    tree = walk(Workspace([top]), 100, lambda: True)
    assert tree.files == {str(real / "a.py"), str(real / "b/c.ts")}
    assert (tree.modules, tree.is_whole) == ({str(real): "example.com/top"}, True)
    small = walk(Workspace([top]), 1, lambda: True)
    assert small.files == {str(real / "a.py")}
    assert not small.is_whole
    assert walk(Workspace([top]), 100, lambda: False).files == frozenset()


def test_a_pipe_in_a_files_place_defines_nothing(tmp_path: Path) -> None:
    outlines = Outlines(Grammars())
    file = tmp_path / "helper.py"
    file.write_text("def area(width):\n    return width\n", "utf-8")
    assert [each.name for each in outlines.of(str(file))] == ["area"]
    file.unlink()
    os.mkfifo(file)
    assert outlines.of(str(file)) == ()
