"""A conversation as plain text, for models and engines without a chat route. Pure.

Called by `infill`. The engine has no chat template yet; once it answers on
`/v1/chat/completions`, this file and its caller there are what goes.
"""

from __future__ import annotations

from midfill_lsp.backend.base import ChatMessage

_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}

# TGI allows four.
STOPS = ("\nUser:", "\nSystem:", "\nAssistant:")


def write(messages: tuple[ChatMessage, ...]) -> str:
    r"""Return the prompt, up to the place where the assistant's answer begins.

    >>> write((ChatMessage("user", "Hello"),))
    'User: Hello\nAssistant:'
    """
    turns = [f"{_NAMES[message.role]}: {message.content.strip()}" for message in messages]
    return "\n".join([*turns, "Assistant:"])


class AnswerText:
    """The answer out of a stream of deltas: no leading space, nothing from a stop text on.

    TGI streams the tokens of a stop text before it ends, so what may be the beginning of one
    is held back until it is known not to be.
    """

    def __init__(self, stops: tuple[str, ...] = STOPS) -> None:
        """Start before the first delta."""
        self._stops = stops
        self._held = ""
        self._has_begun = False
        self.is_stopped = False

    def feed(self, delta: str) -> str:
        """Return what is certain to belong to the answer now, maybe nothing."""
        if self.is_stopped:
            return ""
        text = self._held + delta
        if not self._has_begun:
            text = text.lstrip(" ")
            self._has_begun = bool(text)
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.is_stopped = True
            self._held = ""
            return text[: min(found)]
        held_len = max(_overlap_len(text, stop) for stop in self._stops)
        self._held = text[len(text) - held_len :]
        return text[: len(text) - held_len]

    def flush(self) -> str:
        """Return what was held back, at the end of the stream."""
        rest, self._held = self._held, ""
        return rest


def _overlap_len(text: str, stop: str) -> int:
    """Return how long the longest end of `text` is that `stop` begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)
