"""Other files in prompts that are text: separators, comments, bounds, control tokens."""

from __future__ import annotations

import pytest

from midfill_lsp import fim, hole
from midfill_lsp.fim_files import OtherFile, OtherFiles, as_comments

FILES = (OtherFile("pkg/a.py", "A = 1"), OtherFile("b.ts", "let b = 2\n"))
OTHERS = OtherFiles(FILES, "pkg/c.py", "work")


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        (
            "Qwen/Qwen2.5-Coder-7B",
            "<|repo_name|>work\n<|file_sep|>pkg/a.py\nA = 1\n<|file_sep|>b.ts\nlet b = 2\n"
            "<|file_sep|>pkg/c.py\n<|fim_prefix|>x = <|fim_suffix|>\n<|fim_middle|>",
        ),
        (
            "bigcode/starcoder2-3b",
            "<repo_name>work\n<file_sep>pkg/a.py\nA = 1\n<file_sep>b.ts\nlet b = 2\n"
            "<file_sep>pkg/c.py\n<fim_prefix>x = <fim_suffix>\n<fim_middle>",
        ),
        (
            "ibm-granite/granite-3b-code-base-2k",
            "<fim_prefix># pkg/a.py\nA = 1\n// b.ts\nlet b = 2\nx = <fim_suffix>\n<fim_middle>",
        ),
        (
            "codellama/CodeLlama-7b-hf",
            "<PRE> # pkg/a.py\nA = 1\n// b.ts\nlet b = 2\nx =  <SUF>\n <MID>",
        ),
    ],
)
def test_prompts(model: str, prompt: str) -> None:
    family = fim.family_of(model)
    assert family is not None
    assert fim.build(family, "x = ", "\n", OTHERS) == prompt
    assert fim.build(family, "x = ", "\n", OtherFiles()) == fim.build(family, "x = ", "\n")


def test_a_family_set_by_hand_has_its_models_separators() -> None:
    assert fim.family_named("starcoder").separators is None
    assert fim.family_named("starcoder", "starcoder2:3b").separators is not None


def test_names_stay_on_their_line_and_unknown_languages_have_no_comment() -> None:
    files = (OtherFile("a b\nc.py", "x\n"), OtherFile("noise", "y"), OtherFile("page.html", "z\n"))
    assert as_comments(OtherFiles(files)) == "# a b c.py\nx\ny\n<!-- page.html -->\nz\n"


def test_a_file_with_a_control_token_is_left_out() -> None:
    family = fim.family_named("qwen")
    bad = (OtherFile("x.py", "s = '<|fim_middle|>'\n"), OtherFile("<|file_sep|>.py", "a\n"))
    left = OtherFiles((*bad, *FILES), "<|x|>.py", "<|repo_name|>").without(family.specials)
    assert left == OtherFiles(FILES)


def test_the_last_files_fit_whole() -> None:
    assert OTHERS.within(1_000) == OTHERS
    assert OTHERS.within(len("b.ts" + "let b = 2\n")).files == FILES[1:]
    assert OTHERS.within(3).files == ()


def test_a_chats_marker_stands_nowhere_else() -> None:
    others = OtherFiles((OtherFile("a.py", "m = '<|HOLE|>'\n"),))
    _, question = hole.ask("x = ", "\n", True, "python", others)
    assert question.count("<|HOLE-2|>") == 2
    assert question.startswith("From other files of the project:\n\n# a.py\nm = '<|HOLE|>'\n\n")
    assert question.endswith("x = <|HOLE-2|>\n")
