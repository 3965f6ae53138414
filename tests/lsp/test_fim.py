"""Infill prompts as text: templates, families by name, and sentinels that stay out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_lsp import fim
from midfill_lsp.errors import RequestSkipped

PREFIX, SUFFIX = "def f(a):\n    return ", "\n\nf(1)\n"


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("codellama", f"<PRE> {PREFIX} <SUF>{SUFFIX} <MID>"),
        ("starcoder", f"<fim_prefix>{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>"),
        ("santacoder", f"<fim-prefix>{PREFIX}<fim-suffix>{SUFFIX}<fim-middle>"),
        (
            "deepseek",
            f"<\uff5cfim\u2581begin\uff5c>{PREFIX}<\uff5cfim\u2581hole\uff5c>{SUFFIX}<\uff5cfim\u2581end\uff5c>",
        ),
        ("qwen", f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"),
        ("codegemma", f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"),
        ("codestral", f"[SUFFIX]{SUFFIX}[PREFIX]{PREFIX}"),
        ("granite", f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"),
    ],
)
def test_templates(name: str, prompt: str) -> None:
    assert fim.build(fim.family_named(name), PREFIX, SUFFIX) == prompt


def test_the_announcements_example() -> None:
    prefix, suffix = 'def remove_non_ascii(s: str) -> str:\n    """ ', "\n    return result"
    prompt = fim.build(fim.family_named("codellama"), prefix, suffix)
    assert prompt == f"<PRE> {prefix} <SUF>{suffix} <MID>"


def test_braces_are_the_users() -> None:
    prompt = fim.build(fim.family_named("qwen"), "{suffix}{0}", "{prefix}")
    assert prompt == "<|fim_prefix|>{suffix}{0}<|fim_suffix|>{prefix}<|fim_middle|>"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("codellama/CodeLlama-7b-hf", "codellama"),
        ("codellama/CodeLlama-13b-Instruct-hf", "codellama"),
        ("codellama:7b-code", "codellama"),
        ("codellama/CodeLlama-34b-Instruct-hf", None),
        ("codellama/CodeLlama-70b-Instruct-hf", None),
        ("codellama/CodeLlama-7b-Python-hf", None),
        ("bigcode/starcoder2-15b", "starcoder"),
        ("bigcode/starcoderbase-1b", "starcoder"),
        ("HuggingFaceH4/starchat-beta", None),
        ("stabilityai/stable-code-3b", "starcoder"),
        ("ibm-granite/granite-3b-code-base-2k", "starcoder"),
        ("granite-code:8b", "starcoder"),
        ("ibm-granite/granite-3.3-8b-base", "starcoder"),
        ("granite3.3:8b", "starcoder"),
        ("ibm-granite/granite-4.0-tiny-preview", "starcoder"),
        ("ibm-granite/granite-4.0-h-tiny", "granite"),
        ("ibm-granite/granite-3.1-8b-instruct", None),
        ("bigcode/santacoder", "santacoder"),
        ("deepseek-ai/deepseek-coder-6.7b-base", "deepseek"),
        ("deepseek-ai/DeepSeek-Coder-V2-Lite-Base", "deepseek"),
        ("Qwen/Qwen2.5-Coder-7B", "qwen"),
        ("qwen2.5-coder:1.5b-base", "qwen"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen"),
        ("Qwen/CodeQwen1.5-7B", "starcoder"),
        ("google/codegemma-2b", "codegemma"),
        ("mistralai/Codestral-22B-v0.1", "codestral"),
        ("mistralai/Mamba-Codestral-7B-v0.1", None),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", None),
        ("meta-llama/Llama-2-70b-chat-hf", None),
        ("gpt-4o", None),
        ("", None),
    ],
)
def test_families_by_name(model: str, name: str | None) -> None:
    family = fim.family_of(model)
    assert (family.name if family else None) == name


@pytest.mark.parametrize(
    ("family", "prefix", "suffix", "kept"),
    [
        ("codellama", "a\nx = '<PRE>'\nb\nc", "\nd\n", ("b\nc", "\nd\n")),
        ("codellama", "a\n<SUF><MID>\n", "\n", ("", "\n")),
        ("codellama", "b", "\nc\n</s>\nd\n", ("b", "\nc\n")),
        ("codellama", "b", "\n <EOT>", ("b", "\n")),
        ("starcoder", "<fim_middle>\n<|endoftext|>\nb", "\n<file_sep>", ("b", "\n")),
        ("starcoder", "<PRE> stays\nb", "\n", ("<PRE> stays\nb", "\n")),
        ("deepseek", "<\uff5cfim\u2581hole\uff5c>\nb", "", ("b", "")),
        ("deepseek", "<|fim hole|>\nb", "", ("b", "")),
        ("qwen", "x <|im_start|>\nb", "\n<|x|>", ("b", "\n")),
        ("qwen", "a <| b |> c < d", "", ("a <| b |> c < d", "")),  # F#
        ("codegemma", "<start_of_turn>\nb", "", ("b", "")),
        ("codestral", "[INST]\nb", "\n[SUFFIX]", ("b", "\n")),
        ("codestral", "a[PREFIX_LEN]\nb", "", ("a[PREFIX_LEN]\nb", "")),
    ],
)
def test_sentinels_are_cut_away(
    family: str, prefix: str, suffix: str, kept: tuple[str, str]
) -> None:
    assert fim.defuse(fim.family_named(family), prefix, suffix) == kept


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [("a\nb = '<PRE>' + ", "\n"), ("b = ", " + '<EOT>'\nc\n"), ("</s>", "")],
)
def test_a_sentinel_on_the_cursors_line_skips_the_request(prefix: str, suffix: str) -> None:
    with pytest.raises(RequestSkipped, match="cursor's line holds a control token") as caught:
        fim.build(fim.family_named("codellama"), prefix, suffix)
    assert "PRE" not in str(caught.value)


_PIECES = ["<PRE>", " <SUF>", "<MID>", "<EOT>", "</s>", "\n", "x", "<", ">", "PRE", "{prefix}"]


@given(st.lists(st.sampled_from(_PIECES)), st.lists(st.sampled_from(_PIECES)))
def test_no_sentinel_but_the_templates_own(before: list[str], after: list[str]) -> None:
    family = fim.family_named("codellama")
    try:
        prompt = fim.build(family, "".join(before), "".join(after))
    except RequestSkipped:
        return
    assert [match[0] for match in family.specials.finditer(prompt)] == ["<PRE>", "<SUF>", "<MID>"]


def test_fit_keeps_what_is_near_the_cursor() -> None:
    prefix = "".join(f"line {idx}\n" for idx in range(100)) + "cur"
    suffix = "".join(f"after {idx}\n" for idx in range(100))
    short_prefix, short_suffix = fim.fit(prefix, suffix, 200)
    assert len(short_prefix) + len(short_suffix) <= 200
    assert prefix.endswith(short_prefix)
    assert suffix.startswith(short_suffix)
    assert short_prefix.startswith("line ")
    assert short_suffix.endswith("\n")
    assert fim.fit("ab", "cd", 4) == ("ab", "cd")


def test_fit_moves_in_steps() -> None:
    text = "".join(f"x{idx} = {idx}\n" for idx in range(400))
    starts = [text.index(fim.fit(text[:end], "", 300)[0]) for end in range(1000, 1600)]
    assert starts == sorted(starts)
    assert len(set(starts)) <= 6, "the start stays while the user types"


@given(st.text(max_size=300), st.text(max_size=300), st.integers(1, 100))
def test_fit_never_exceeds_its_bound(prefix: str, suffix: str, bound: int) -> None:
    short_prefix, short_suffix = fim.fit(prefix, suffix, bound)
    assert len(short_prefix) + len(short_suffix) <= max(bound, 0)
    assert prefix.endswith(short_prefix)
    assert suffix.startswith(short_suffix)
