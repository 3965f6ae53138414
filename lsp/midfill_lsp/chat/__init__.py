"""Talking about code: answers, slash commands, and edits by instruction.

    conversation  turns that grow, for the terminal
    commands      `/explain` and the others
    passage       a file or selection as it is shown to the model, past the privacy gate
    budget        what of it all fits the model's context
    spoken        what the user says himself, past it too
    talk          one question, one streamed answer
    blocks        the code blocks of an answer
    replacement   an answer as the text that takes a selection's place
    edit          an instruction over a range, as an edit; `instruction` is what it asks

Knows no protocol library and no HTTP. Called by `server` and `cli`.
"""

from __future__ import annotations

from midfill_lsp.chat.blocks import Block, find_blocks
from midfill_lsp.chat.commands import COMMANDS, WrongCommand
from midfill_lsp.chat.conversation import Conversation
from midfill_lsp.chat.edit import Edited, edit
from midfill_lsp.chat.instruction import EditRequest
from midfill_lsp.chat.passage import Passage, Withheld, admit
from midfill_lsp.chat.spoken import Said, clear
from midfill_lsp.chat.talk import Answer, Question, talk

__all__ = [
    "COMMANDS",
    "Answer",
    "Block",
    "Conversation",
    "EditRequest",
    "Edited",
    "Passage",
    "Question",
    "Said",
    "Withheld",
    "WrongCommand",
    "admit",
    "clear",
    "edit",
    "find_blocks",
    "talk",
]
