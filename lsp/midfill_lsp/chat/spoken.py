"""What the user says himself, and what was said before, as it may be sent.

A secret in a question that goes to another machine is masked, as one in a file is, and the reply
says so. On this machine the question goes as it was asked: it may be about the secret. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from midfill_lsp.backend.base import ChatMessage
from midfill_lsp.chat.passage import Withheld
from midfill_lsp.context import Gate, Refusal, Trust


@dataclass(frozen=True, slots=True)
class Said:
    """Messages as they may be sent.

    Attributes:
        messages: as many as were given.
        notes: what was masked, a sentence, if anything.
    """

    messages: tuple[ChatMessage, ...]
    notes: tuple[str, ...] = ()


def clear(gate: Gate, trust: Trust, messages: Sequence[ChatMessage]) -> Said:
    """Return what may be sent of a conversation; some milliseconds of work, more at first.

    Raises:
        Withheld: the gate fails.
    """
    cleared: list[ChatMessage] = []
    num_secrets = 0
    for message in messages:
        answer = gate.admit_words(message.content, trust)
        if isinstance(answer, Refusal):
            raise Withheld(f"{answer.reason}: the message was not sent")
        cleared.append(replace(message, content=answer.text))
        num_secrets += answer.num_secrets
    if not num_secrets:
        return Said(tuple(cleared))
    note = (
        f"what looks like a secret was masked in {num_secrets} lines of the messages, since they "
        "go to another machine"
    )
    return Said(tuple(cleared), (note,))
