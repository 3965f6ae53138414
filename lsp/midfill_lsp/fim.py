"""Infill prompts as text, one template per model family, for endpoints that take text. Pure.

Such an endpoint reads a sentinel wherever it stands, in the user's text too. So a text that
holds one is cut behind or before it, on the side away from the cursor; where too little is left,
the request is not sent. The bundled engine needs none of this: it places sentinels as ids.
Called by `backend`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from midfill_lsp.errors import RequestSkipped
from midfill_lsp.fim_files import OtherFiles, Separators, as_comments, as_files


@dataclass(frozen=True, slots=True)
class Family:
    """How one family of models is asked for a middle in plain text.

    Attributes:
        name: as `backend.fimFamily` names it.
        template: the prompt, with `{prefix}` and `{suffix}` once each.
        stops: texts that end the middle, the one the family writes first.
        specials: regular expression of everything its tokenizer reads as a control token.
        separators: how other files are told apart, None for a family that was not trained with it.
    """

    name: str
    template: str
    stops: tuple[str, ...]
    specials: re.Pattern[str]
    separators: Separators | None = None


_LLAMA: Final = r"</?s>|<unk>|<pad>"
# DeepSeek spells bars and blanks with look-alikes; either may be normalised to the other. Blanks
# elsewhere are code: `f <| g |> h`.
_BARRED: Final = r"<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>"
_DEEPSEEK: Final = r"<[|\uff5c](?:fim|begin|end|tool)[ \u2581][^<>|\uff5c\n]{1,40}[|\uff5c]>"
_STARCODER: Final = (
    r"<fim[_-](?:prefix|middle|suffix|pad)>|<(?:file_sep|filename|repo_name|reponame|gh_stars)>"
    r"|<(?:issue|jupyter|commit|pr)_[a-z_]+>|<(?:empty_output|pr|code_to_intermediate)>"
)
_BAR_TEMPLATE: Final = "<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"

FAMILIES: Final = (
    # The announcement of the PRO API; arXiv:2308.12950.
    Family(
        "codellama",
        "<PRE> {prefix} <SUF>{suffix} <MID>",
        ("<EOT>",),
        re.compile(rf"<(?:PRE|SUF|MID|EOT|FILL_ME)>|{_LLAMA}"),
    ),
    # bigcode/starcoder2; Granite 3B to 34B Code, Granite 3.3 and Stable Code are asked alike.
    Family(
        "starcoder",
        "<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>",
        ("<|endoftext|>", "<file_sep>", "<fim_pad>", "<|end_of_text|>"),
        re.compile(f"{_STARCODER}|{_BARRED}"),
    ),
    Family(
        "santacoder",
        "<fim-prefix>{prefix}<fim-suffix>{suffix}<fim-middle>",
        ("<|endoftext|>",),
        re.compile(f"{_STARCODER}|{_BARRED}"),
    ),
    # deepseek-ai/DeepSeek-Coder, README.
    Family(
        "deepseek",
        "<\uff5cfim\u2581begin\uff5c>{prefix}<\uff5cfim\u2581hole\uff5c>{suffix}"
        "<\uff5cfim\u2581end\uff5c>",
        ("<\uff5cend\u2581of\u2581sentence\uff5c>", "<|EOT|>"),
        re.compile(f"{_BARRED}|{_DEEPSEEK}"),
    ),
    Family(
        "qwen",
        _BAR_TEMPLATE,
        ("<|endoftext|>", "<|file_sep|>", "<|fim_pad|>", "<|repo_name|>"),
        re.compile(_BARRED),
        Separators("<|repo_name|>", "<|file_sep|>"),
    ),
    Family(
        "codegemma",
        _BAR_TEMPLATE,
        ("<|file_separator|>", "<eos>", "<end_of_turn>"),
        re.compile(
            f"{_BARRED}|<(?:pad|eos|bos|unk|mask|start_of_turn|end_of_turn|unused[0-9]{{1,2}})>"
        ),
    ),
    # mistral-common, `encode_fim`: the suffix stands first, and no sentinel ends the prompt.
    Family(
        "codestral",
        "[SUFFIX]{suffix}[PREFIX]{prefix}",
        ("[SUFFIX]", "[PREFIX]"),
        re.compile(
            r"\[/?(?:SUFFIX|PREFIX|MIDDLE|INST|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|IMG"
            rf"|IMG_BREAK|IMG_END|TOOL_CONTENT|SYSTEM_PROMPT|control_[0-9]+)\]|{_LLAMA}"
        ),
    ),
    # Granite 4 (https://www.ibm.com/granite/docs/models/granite#fim); its own end of text.
    Family(
        "granite",
        _BAR_TEMPLATE,
        ("<|end_of_text|>", "<|fim_pad|>", "<|filename|>"),
        re.compile(_BARRED),
    ),
)

ANY: Final = Family(
    "any", "{prefix}", (), re.compile("|".join(family.specials.pattern for family in FAMILIES))
)
"""For a model whose family is not known: what any family reads as a control token."""

# First match wins. Names as the Hub and Ollama write them: `codellama/CodeLlama-7b-hf`,
# `qwen2.5-coder:7b-base`. A None says that this model was not trained to infill.
_BY_NAME: Final = (
    (r"code-?llama.*(?:34b|70b|python)", None),
    (r"code-?llama", "codellama"),
    (r"starchat", None),
    (r"starcoder|stable-?code|codeqwen|granite-?(?:[0-9.]*[0-9]+b-)?code", "starcoder"),
    (r"santacoder", "santacoder"),
    (r"deepseek-?coder", "deepseek"),
    (r"qwen-?[0-9.]+-?coder", "qwen"),
    (r"code-?gemma", "codegemma"),
    (r"mamba", None),
    (r"codestral", "codestral"),
    (r"granite-?(?:3\.[3-9]|4.*preview)", "starcoder"),  # a vocabulary as StarCoder's
    (r"granite-?4", "granite"),
)


# Of the starcoder family this one alone was trained on whole repositories (arXiv:2402.19173).
_BY_SEPARATORS: Final = ((r"starcoder-?2", Separators("<repo_name>", "<file_sep>")),)


def family_named(name: str, model_id: str = "") -> Family:
    """Return the family of this name, with the separators of this model.

    Raises:
        KeyError: there is none.
    """
    family = next(family for family in FAMILIES if family.name == name)
    for pattern, separators in _BY_SEPARATORS:
        if re.search(pattern, model_id, re.IGNORECASE):
            return replace(family, separators=separators)
    return family


def family_of(model_id: str) -> Family | None:
    """Return the family that a model's name tells, None for one that is not known to infill."""
    for pattern, name in _BY_NAME:
        if re.search(pattern, model_id, re.IGNORECASE):
            return None if name is None else family_named(name, model_id)
    return None


def build(family: Family, prefix: str, suffix: str, others: OtherFiles | None = None) -> str:
    r"""Return the prompt; no sentinel in it but the template's own.

    Args:
        family: how its models are asked.
        prefix: text before the cursor.
        suffix: text behind it.
        others: pieces of other files, without control tokens.

    >>> build(family_named("codellama"), "a = ", "\n")
    '<PRE> a =  <SUF>\n <MID>'

    Raises:
        RequestSkipped: a sentinel stands on the cursor's line, so that nothing useful is left.
    """
    clean_prefix, clean_suffix = defuse(family, prefix, suffix)
    head = ""
    if others is not None and family.separators is not None:
        head = as_files(others, family.separators)
    elif others is not None:
        clean_prefix = as_comments(others) + clean_prefix
    # Not `format`: braces in the text are the text's.
    values = {"{prefix}": clean_prefix, "{suffix}": clean_suffix}
    return head + re.sub(r"\{(?:prefix|suffix)\}", lambda match: values[match[0]], family.template)


def defuse(family: Family, prefix: str, suffix: str) -> tuple[str, str]:
    """Return what of prefix and suffix can be sent: no control token, the cursor's line whole.

    Raises:
        RequestSkipped: a control token stands on the cursor's line.
    """
    last_end = max((match.end() for match in family.specials.finditer(prefix)), default=None)
    if last_end is not None:
        line_end = prefix.find("\n", last_end)
        if line_end < 0:
            raise RequestSkipped(_reason(family))
        prefix = prefix[line_end + 1 :]
    first = family.specials.search(suffix)
    if first is not None:
        line_start = suffix.rfind("\n", 0, first.start())
        if line_start < 0:
            raise RequestSkipped(_reason(family))
        suffix = suffix[: line_start + 1]
    return prefix, suffix


def fit(prefix: str, suffix: str, max_chars: int) -> tuple[str, str]:
    """Return prefix and suffix cut to `max_chars` together, the suffix to a quarter of it.

    The prefix's start moves in steps of half its room, then to the next line's start, so that
    typing only appends to what an endpoint may have in its cache.
    """
    if len(prefix) + len(suffix) <= max_chars:
        return prefix, suffix
    if len(suffix) > max_chars // 4:
        suffix = suffix[: max(max_chars // 4, max_chars - len(prefix))]
        suffix = suffix[: suffix.rfind("\n") + 1] or suffix
    room = max_chars - len(suffix)
    if len(prefix) > room:
        step = max(1, room // 2)
        start = -(-(len(prefix) - room) // step) * step
        line_start = prefix.find("\n", start) + 1
        prefix = prefix[line_start or start :]
    return prefix, suffix


def _reason(family: Family) -> str:
    whose = "" if family is ANY else f" of the {family.name} family"
    return (
        f"the cursor's line holds a control token{whose}, which the endpoint would take for its own"
    )
