"""Between the editor's form of a completion and ours. Called by `handlers` and `window`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from midfill_lsp.complete import CompletionRequest, Suggestion
from midfill_lsp.document import Position, Snapshot
from midfill_lsp.lines import width_of
from midfill_lsp.server.raw import RawParams, is_token, members
from midfill_lsp.server.rpc import Protocol
from midfill_lsp.server.strict import told
from midfill_lsp.trim import before_closers


@dataclass(frozen=True, slots=True)
class Asked:
    """What an editor asked for.

    Attributes:
        params: those of the standard method.
        selection: what is selected, as far as the editor says.
        token: where growing text goes, None if it cannot grow.
        inserts_only: the editor cannot replace text behind the cursor.
    """

    params: types.InlineCompletionParams
    selection: types.Range | None = None
    token: str | int | None = None
    inserts_only: bool = False


def read(protocol: Protocol, params: RawParams) -> Asked:
    """Return what `midfill/completion` asks for.

    Raises:
        JsonRpcInvalidParams: something is missing or has the wrong type.
    """
    fields = members(params)
    token, selection = fields.get("partialResultToken"), fields.get("selection")
    if token is not None and not is_token(token):
        raise JsonRpcInvalidParams("midfill/completion: partialResultToken: text or number")
    try:
        typed = protocol.structure(fields, types.InlineCompletionParams)
        selected = protocol.structure(selection, types.Range) if selection is not None else None
    except Exception as error:
        raise JsonRpcInvalidParams(f"midfill/completion: {told(error)}") from None
    return Asked(typed, selected, token)


def request_of(asked: Asked, snapshot: Snapshot, request_id: str) -> CompletionRequest | None:
    """Return the request in a document; None if the pop-up menu's item is not at the cursor."""
    params = asked.params
    line_idx, column = snapshot.locate(_position(params.position))
    request = CompletionRequest(
        request_id,
        snapshot,
        line_idx,
        column,
        explicit=params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked,
        has_selection=asked.selection is not None and asked.selection.start != asked.selection.end,
    )
    selected = params.context.selected_completion_info
    if selected is None:
        return request
    start, end = _position(selected.range.start), _position(selected.range.end)
    return request.with_selected(start, end, selected.text)


def read_place(protocol: Protocol, params: RawParams) -> types.TextDocumentPositionParams:
    """Return where `midfill/didMoveCursor` says that the cursor is.

    Raises:
        JsonRpcInvalidParams: something is missing or has the wrong type.
    """
    try:
        return protocol.structure(members(params), types.TextDocumentPositionParams)
    except Exception as error:
        raise JsonRpcInvalidParams(f"midfill/didMoveCursor: {told(error)}") from None


def request_at(place: types.TextDocumentPositionParams, snapshot: Snapshot) -> CompletionRequest:
    """Return the request that a key at this place may lead to."""
    return CompletionRequest("warm-up", snapshot, *snapshot.locate(_position(place.position)))


def item_of(
    request: CompletionRequest, suggestion: Suggestion, item_id: str, wants_lf: bool = False
) -> types.InlineCompletionItem:
    """Return a suggestion as the editor takes it, with LF as its line ends where it wants that."""
    document, selected = request.document, request.selected
    start = selected.start if selected else (request.line_idx, request.column)
    end = selected.end if selected else start
    if suggestion.replaces_rest:
        end = end[0], width_of(document.lines[end[0]])
    return types.InlineCompletionItem(
        insert_text=suggestion.text.replace("\r\n", "\n") if wants_lf else suggestion.text,
        range=types.Range(_place(document, start), _place(document, end)),
        command=types.Command("", "midfill.accepted", arguments=[item_id]),
    )


def inserted_only(
    request: CompletionRequest, suggestions: Sequence[Suggestion]
) -> tuple[Suggestion, ...]:
    """Return suggestions that replace nothing: up to what closes what the line's rest closes."""
    snapshot = request.snapshot
    line = snapshot.lines[request.line_idx]
    rest = line[request.column : width_of(line)]
    fitting: list[Suggestion] = []
    for suggestion in suggestions:
        text = suggestion.text
        if suggestion.replaces_rest:
            text = before_closers(text, rest, snapshot.language_id)
        if text:
            fitting.append(Suggestion(text, replaces_rest=False))
    return tuple(fitting)


def _position(position: types.Position) -> Position:
    return Position(position.line, position.character)


def _place(document: Snapshot, place: tuple[int, int]) -> types.Position:
    position = document.position(*place)
    return types.Position(position.line, position.character)
