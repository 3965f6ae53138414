"""`midfill/chat` and `midfill/edit` of one window: documents in, answers and edits out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from midfill_lsp.backend.base import Backend, ChatMessage
from midfill_lsp.chat import (
    Block,
    EditRequest,
    Passage,
    Question,
    Withheld,
    admit,
    clear,
    edit,
    talk,
)
from midfill_lsp.chat.replacement import NoCode, lay_out
from midfill_lsp.context import Gate, Trust
from midfill_lsp.document import Snapshot
from midfill_lsp.errors import MidfillError
from midfill_lsp.named_values import clear_start
from midfill_lsp.server.chat import AskedChat, AskedEdit, AskedPlace
from midfill_lsp.server.documents import Documents
from midfill_lsp.server.engine import EngineWatch
from midfill_lsp.server.target import Target, target_of, with_lf

Partial = Callable[[str], None] | None

_MOST_CHARS = 200_000
"""Of one document that is looked at; no model here takes more."""
_AROUND_CHARS = 4_000
_STALE = "the document has changed where the edit was to be made: ask again"


class Talks:
    """Answers the two methods. Everything but the gate's work runs on the event loop's thread."""

    def __init__(
        self,
        engine: EngineWatch,
        documents: Documents,
        gate: Gate,
        trust: Callable[[], Trust],
    ) -> None:
        """Wire it; nothing is read.

        Args:
            engine: lends the backend of the moment.
            documents: the open ones.
            gate: what their text passes.
            trust: how far the backend of the moment is trusted.
        """
        self._engine = engine
        self._documents = documents
        self._gate = gate
        self._trust = trust

    async def chat(self, asked: AskedChat, on_text: Partial) -> dict[str, object]:
        """Return the reply to `midfill/chat`.

        Raises:
            JsonRpcException: a document is not open, or no answer could be had.
        """
        targets = [target_of(self._open(place), place.range) for place in asked.places]
        trust = self._trust()
        with self._documents.following(*(target.follow for target in targets)):
            try:
                passages = [await self._passage(target, trust) for target in targets]
                said = await asyncio.to_thread(clear, self._gate, trust, asked.messages)
                question = Question(said.messages, tuple(passages))
                with self._asking(trust) as backend:
                    answer = await talk(backend, question, on_text)
            except MidfillError as error:
                raise _failed(error) from error
        blocks = [_block(block) for block in answer.blocks]
        notes = [*said.notes, *answer.notes]
        if answer.replaces:
            if passages[0].num_secrets:
                notes.append("the code holds a masked secret, so it cannot be applied as it is")
            elif (place := self._applied(targets[0])) is None:
                notes.append("the code has changed meanwhile, so the answer cannot be applied")
            else:
                text = lay_out(answer.blocks[0].text, targets[0].shape)
                blocks[0] |= {**place, "newText": text}
        return {"content": answer.content, "blocks": blocks, "notes": notes}

    async def edit(self, asked: AskedEdit, on_text: Partial) -> dict[str, object]:
        """Return the reply to `midfill/edit`.

        Raises:
            JsonRpcException: the document is not open or has moved on, or there is no edit.
        """
        snapshot = self._open(asked.place)
        if asked.version is not None and asked.version != snapshot.version:
            raise JsonRpcException(
                f"the document is at version {snapshot.version}, the edit asks for "
                f"{asked.version}: ask again",
                types.LSPErrorCodes.ContentModified,
            )
        target, trust = target_of(snapshot, asked.place.range), self._trust()
        with self._documents.following(target.follow):
            try:
                request = await self._edit_request(asked.instruction, target, trust)
                with self._asking(trust) as backend:
                    edited = await edit(backend, request, on_text)
            except MidfillError as error:
                raise _failed(error) from error
        latest = self._documents.get(snapshot.uri)
        place = target.range_in(latest)
        if latest is None or place is None:
            raise JsonRpcException(_STALE, types.LSPErrorCodes.ContentModified)
        edits = [types.TextEdit(place, edited.text)]
        if with_lf(edited.text) == target.selected:
            edits = []
        change = types.TextDocumentEdit(
            types.OptionalVersionedTextDocumentIdentifier(snapshot.uri, latest.version), [*edits]
        )
        return {
            "edit": types.WorkspaceEdit(document_changes=[change]),
            "notes": list(edited.notes),
        }

    def _open(self, place: AskedPlace) -> Snapshot:
        snapshot = self._documents.get(place.uri)
        if snapshot is None:
            raise JsonRpcInvalidParams(f"{place.uri} is not open")
        return snapshot

    @contextmanager
    def _asking(self, trust: Trust) -> Generator[Backend]:
        """Give the backend of the moment, unless it may not see what was admitted before.

        Raises:
            BackendError: as `EngineWatch.asking` does.
            Withheld: the backend is trusted less now.
        """
        with self._engine.asking(is_chat=True) as backend:
            if trust == "local" and self._trust() != "local":
                raise Withheld("the backend was changed meanwhile: ask again")
            yield backend

    async def _passage(self, target: Target, trust: Trust) -> Passage:
        """Return a target as it may be sent.

        Raises:
            Withheld: the privacy gate keeps it back.
        """
        whole = Passage("", target.snapshot.language_id, target.selected, target.first_line)
        cut = whole.fitted(_MOST_CHARS)
        before, behind = _around(target)
        behind = target.selected[len(cut.text) :][:_AROUND_CHARS] or behind
        _, piece, _ = await self._admit_piece(target, before, cut.text, behind, trust)
        return replace(piece, num_cut=cut.num_cut)

    async def _edit_request(self, instruction: str, target: Target, trust: Trust) -> EditRequest:
        """Return an edit as it may be sent; the piece and what is around it are masked as one.

        Raises:
            NoCode: the instruction holds a secret that may not be sent.
            Withheld: the privacy gate keeps the document back.
        """
        message = ChatMessage("user", instruction)
        if (await asyncio.to_thread(clear, self._gate, trust, (message,))).notes:
            raise NoCode(
                "the instruction holds what looks like a secret, which is not sent to another "
                "machine: a mask would be written into the file; leave it out"
            )
        around = _around(target)
        before, piece, behind = await self._admit_piece(
            target, around[0], target.selected, around[1], trust
        )
        return EditRequest(instruction, piece, before, behind, target.shape)

    async def _admit_piece(
        self, target: Target, before: str, piece: str, behind: str, trust: Trust
    ) -> tuple[str, Passage, str]:
        """Pass a piece through the privacy gate together with what is around it.

        It may begin within a password, or between that and its name.
        """
        text = before + piece + behind
        admitted = await self._admit(target.snapshot, text, target.first_line, trust)
        end = len(before) + len(piece)
        masked = admitted.text[len(before) : end]
        pairs = zip(piece.split("\n"), masked.split("\n"), strict=True)
        num_secrets = sum(line != sent for line, sent in pairs)
        passage = replace(admitted, text=masked, num_secrets=num_secrets)
        return admitted.text[: len(before)], passage, admitted.text[end:]

    async def _admit(self, snapshot: Snapshot, text: str, first_line: int, trust: Trust) -> Passage:
        """Pass text through the privacy gate, in a thread: the rules take a moment to load."""
        return await asyncio.to_thread(
            admit,
            self._gate,
            trust,
            snapshot.uri,
            snapshot.language_id,
            text,
            first_line,
        )

    def _applied(self, target: Target) -> dict[str, object] | None:
        """Return where an answer's code goes, None if the place is not the same any more."""
        latest = self._documents.get(target.snapshot.uri)
        place = target.range_in(latest)
        if latest is None or place is None:
            return None
        return {"uri": latest.uri, "version": latest.version, "range": place}


def _around(target: Target) -> tuple[str, str]:
    """Return what is around a target, in whole lines as far as there are several.

    A line's end alone may hold the end of a password, and nothing tells that it is one.
    """
    text = target.snapshot.text
    start, end = max(0, target.start - _AROUND_CHARS), target.end + _AROUND_CHARS
    if start:
        line_end = text.find("\n", start - 1, target.start)
        line_start = text.rfind("\n", 0, start) + 1
        line = text[line_start : target.start]
        clear = line_start + clear_start(line, start - line_start, _AROUND_CHARS // 10)
        start = line_end + 1 if line_end >= 0 else clear
    behind = with_lf(text[target.end : end])
    if end < len(text):
        behind = behind[: behind.rfind("\n") + 1] or behind
    return with_lf(text[start : target.start]), behind


def _block(block: Block) -> dict[str, object]:
    return {
        "language": block.language,
        "text": block.text,
        "startLine": block.start_line,
        "endLine": block.end_line,
        "closed": block.is_closed,
    }


def _failed(error: MidfillError) -> JsonRpcException:
    return JsonRpcException(str(error), types.LSPErrorCodes.RequestFailed)
