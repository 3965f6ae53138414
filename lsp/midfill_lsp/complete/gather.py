"""What the backend is asked: the text around the cursor, bounds, and what else is sent along.

Called by `completer`: `prompt` on every request, since the cache needs it; `question` only when
the backend is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from midfill_lsp import prompt as prompts
from midfill_lsp.backend.base import InfillRequest
from midfill_lsp.complete.clearance import Clearance
from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.config import CompletionConfig
from midfill_lsp.metrics import ContextFacts
from midfill_lsp.syntax import Grammar, Grammars
from midfill_lsp.trim import TrimContext, describe

_MAX_SESSION_CHARS = 512
_MAX_DRAFT_CHARS = 16_384  # docs/protocol.md: more is refused


@dataclass(frozen=True, slots=True)
class Question:
    """All that is known before the backend is asked.

    Attributes:
        prompt: the text around the cursor as it is.
        context: the same for the trim.
        ask: what is sent.
        check: to be called right before that; raises `RequestSkipped` if it must not be any more.
        facts: what of other files goes along; None where nobody looks for them.
    """

    prompt: prompts.Prompt
    context: TrimContext
    ask: InfillRequest
    check: Callable[[], None] = lambda: None
    facts: ContextFacts | None = None


class Gatherer:
    """Makes the questions of one window."""

    def __init__(
        self,
        config: Callable[[], CompletionConfig],
        window: str,
        grammars: Grammars,
        clearance: Clearance | None = None,
    ) -> None:
        """Begin.

        Args:
            config: the settings of the moment.
            window: names this window in the engine's sessions.
            grammars: loaded when a language is first met.
            clearance: the privacy gate and the other files; tests of the rest go without.
        """
        self._clearance = clearance
        self._config = config
        self._window = window
        self._grammars = grammars
        self._suffixes = prompts.FrozenSuffixes()

    def prompt(self, request: CompletionRequest) -> prompts.Prompt:
        """Return the text around the cursor, cut to its budget."""
        config = self._config()
        return prompts.build(
            request.snapshot.lines,
            request.line_idx,
            request.column,
            config.prefix_chars,
            config.suffix_chars,
        )

    async def question(
        self,
        request: CompletionRequest,
        prompt: prompts.Prompt,
        draft: str,
        is_ahead: bool = False,
    ) -> Question:
        """Return what to ask the backend; some milliseconds of work in a large file.

        Args:
            request: where.
            prompt: what `prompt` returned for it.
            draft: what was suggested near by before.
            is_ahead: nobody types there yet: the place where one did stays as it is, here and in
                the engine's cache.

        Raises:
            Withheld: nothing of the document may go to the backend.
        """
        snapshot, config = request.snapshot, self._config()
        context = describe(
            prompt.prefix,
            prompt.suffix,
            snapshot.language_id,
            config.mode,
            await self._grammar(snapshot.language_id),
            0.0 if request.explicit else config.min_confidence,
        )
        line = context.mode == "line"
        ask = InfillRequest(
            prefix=prompt.prefix,
            suffix=(self._suffixes.peek if is_ahead else self._suffixes.hold)(snapshot.uri, prompt),
            session=self._session(snapshot.uri, is_ahead),
            max_tokens=config.max_line_tokens if line else config.max_block_tokens,
            stop=("\n",) if line and not context.text_opener else (),  # a docstring begins below
            draft=draft[:_MAX_DRAFT_CHARS],
            language_id=snapshot.language_id,
            scored=context.min_confidence > 0,
        )
        if self._clearance is None:
            return Question(prompt, context, ask)
        cleared = await self._clearance.clear(
            snapshot, request.line_idx, ask.prefix, ask.suffix, ask.draft
        )
        ask = replace(
            ask,
            prefix=cleared.prefix,
            suffix=cleared.suffix,
            draft=cleared.draft,
            session=self._session(cleared.session, is_ahead),
            others=cleared.others,
        )
        return Question(prompt, context, ask, cleared.check, cleared.facts)

    def _session(self, document: str, is_ahead: bool) -> str:
        purpose = "/ahead" if is_ahead else "/typing"
        return f"{self._window}/{document}"[: _MAX_SESSION_CHARS - len(purpose)] + purpose

    async def _grammar(self, language_id: str) -> Grammar | None:
        if self._grammars.must_load(language_id):
            return await asyncio.to_thread(self._grammars.load, language_id)
        return self._grammars.loaded(language_id)
