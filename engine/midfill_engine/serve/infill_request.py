"""From an `/infill` body to a validated request (docs/protocol.md, `POST /infill`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from midfill_engine.runtime.request import GenerationRequest
from midfill_engine.serve.grammar_request import compile_grammar, llama_grammar
from midfill_engine.serve.infill_prompt import InfillTexts, infill_prompt
from midfill_engine.serve.llama_options import bounded_text, read_llama_options
from midfill_engine.serve.llama_request import LlamaRequest
from midfill_engine.serve.parse import Fields, Json, invalid
from midfill_engine.serve.served import Served
from midfill_engine.text.extra_files import Extra, ExtraFile
from midfill_engine.text.families import InfillFamily
from midfill_engine.text.fim import InfillPrompt

_TYPED_CHARS = 256
"""How much of a draft is sought before the cursor; nobody types more of a suggestion by hand."""


async def read_infill_request(body: Json, served: Served) -> LlamaRequest:
    """Validate a body and build its prompt.

    Raises:
        ValidationError: a field is missing or wrong, or the model cannot infill.
    """
    fields, limits = Fields(body), served.limits
    family = served.family
    if family is None:
        raise invalid(
            f"model {served.model_id} has no infill tokens: use /generate, or another model"
        )
    texts = _texts(fields, family)
    options = read_llama_options(fields, served)
    asked = limits.infill_max_new_tokens if options.n_predict is None else options.n_predict
    draft = bounded_text(fields, "draft", limits.max_draft_chars)
    grammar_field, source = llama_grammar(fields)
    total = served.max_total_tokens
    reserved = total // 4 if asked < 0 else min(asked, total // 2)
    prompt = await infill_prompt(texts, served, family, total - reserved)
    healed_len = 0 if prompt.healing is None else len(prompt.healing.text)
    generation = GenerationRequest(
        prompt_ids=prompt.ids,
        max_new_tokens=total - len(prompt.ids) - healed_len if asked < 0 else reserved,
        sampling=options.sampling,
        stop=options.stop,
        stop_token_ids=family.stop_ids,
        session=options.session,
        cache_prompt=options.cache_prompt,
        healing=prompt.healing,
        top_n=options.top_n,
        grammar=await compile_grammar(source, served, field=grammar_field, healing=prompt.healing),
        draft=_draft_ids(draft or "", texts, prompt, served),
    )
    return LlamaRequest((generation,), options, prompt.truncated)


def _texts(fields: Fields, family: InfillFamily) -> InfillTexts:
    order = fields.text("order")
    if order is not None and order not in family.orders:
        known = " or ".join(f'"{name}"' for name in family.orders)
        raise invalid(f"`order` must be {known} for this model. Given: {order[:16]!r}")
    return InfillTexts(
        prefix=fields.needed_text("input_prefix"),
        suffix=fields.needed_text("input_suffix"),
        middle_start=fields.text("prompt") or "",
        extra=Extra(_files(fields), fields.text("filename"), fields.text("repo_name")),
        order=order,
        heal=fields.optional_flag("heal"),
    )


def _files(fields: Fields) -> tuple[ExtraFile, ...]:
    value = fields.raw("input_extra")
    if value is None:
        return ()
    message = "`input_extra` must be a list of objects with `filename` and `text`"
    if not isinstance(value, list):
        raise invalid(message)
    files: list[ExtraFile] = []
    for entry in cast("Sequence[object]", value):
        if not isinstance(entry, dict):
            raise invalid(message)
        file = Fields(cast("Json", entry))
        files.append(ExtraFile(file.text("filename") or "", file.needed_text("text")))
    return tuple(files)


def _draft_ids(
    draft: str, texts: InfillTexts, prompt: InfillPrompt, served: Served
) -> tuple[int, ...]:
    """The draft's tokens: what was typed of it left out, what healing repeats put in front.

    Without a draft what healing took back is one: the cursor may well stand between two tokens.
    A wrong guess of where the cursor stands in it only makes the hint worse.
    """
    if not draft:
        return () if prompt.healing is None else prompt.healing.ids
    before = texts.prefix + texts.middle_start
    most = min(len(draft), len(before), _TYPED_CHARS)
    num_typed = next((n for n in range(most, 0, -1) if before.endswith(draft[:n])), 0)
    repeated = b"" if prompt.healing is None else prompt.healing.text
    ahead = repeated.decode(errors="replace") + draft[num_typed:]
    ids = served.tokenizer.encode(ahead, bos=False, leading_space=False)
    return tuple(ids[: served.limits.max_draft_tokens])
