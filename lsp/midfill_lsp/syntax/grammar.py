"""Grammars, loaded when a language is first met.

The first load of a language takes 1 to 45 ms (docs/log.md), so `load` belongs into a thread;
`loaded` is for the event loop and never loads. Called by everybody who parses.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass

import tree_sitter

from midfill_lsp.syntax.languages import BY_LANGUAGE_ID, Language

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Grammar:
    """A language with its loaded grammar; may be used from any thread."""

    language: Language
    compiled: tree_sitter.Language


class Grammars:
    """The grammars that were loaded so far; one of these is enough for a process."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_id: dict[str, Grammar | None] = {}

    def load(self, language_id: str) -> Grammar | None:
        """Return the grammar, loaded now if need be; None for a language without one.

        May be called from several threads at once.
        """
        if language_id not in self._by_id:
            self._by_id[language_id] = _load(language_id)
        return self._by_id[language_id]

    def loaded(self, language_id: str) -> Grammar | None:
        """Return the grammar if it is there already."""
        return self._by_id.get(language_id)

    def must_load(self, language_id: str) -> bool:
        """Whether the language has a grammar that nobody loaded yet."""
        return language_id in BY_LANGUAGE_ID and language_id not in self._by_id


def _load(language_id: str) -> Grammar | None:
    language = BY_LANGUAGE_ID.get(language_id)
    if language is None:
        return None
    try:
        module = importlib.import_module(language.module)
        pointer: object = getattr(module, language.function)()
        compiled = tree_sitter.Language(pointer)
    except (ImportError, AttributeError, ValueError) as error:
        # Without it everything still works, by indentation and brackets.
        logger.warning("no grammar for %s, going by indentation: %s", language_id, error)
        return None
    return Grammar(language, compiled)
