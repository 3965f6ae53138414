"""`textDocument/completion`, for editors that know no inline completion.

A suggestion is an item of their menu: low in the list, and marked as Midfill's. Editors that
announce inline completion are not offered it, or they would show everything twice. Called by
`handlers`.
"""

from __future__ import annotations

from lsprotocol import types

from midfill_lsp.document import Position, Snapshot
from midfill_lsp.server.completion import Asked

OPTIONS = types.CompletionOptions(trigger_characters=[".", "(", "[", ",", "="])
# A line end or a blank would open the menu all the time, and Enter is the key that takes an item.

_LAST = "\U0010ffff"  # behind the items of every other server
_MAX_LABEL_CHARS = 80
# Editors whose text has one kind of line end while it is open, whatever its file has; they would
# take a CR for a character. By `clientInfo.name`.
_EDITORS_WITH_LF = frozenset({"Neovim", "Eglot", "emacs", "vim-lsp"})


def is_offered(capabilities: types.ClientCapabilities) -> bool:
    """Whether an editor gets suggestions as ordinary items."""
    document = capabilities.text_document
    return document is None or document.inline_completion is None


def wants_lf(client: types.ClientInfo | None) -> bool:
    """Whether an editor's text has LF as its only line end."""
    return client is not None and client.name in _EDITORS_WITH_LF


def inserts_only(client: types.ClientInfo | None) -> bool:
    """Whether an editor takes the text of an item, but no range that ends behind the cursor.

    Kate is one, and alone of the editors in docs/editors.md it does not tell its name.
    """
    return client is None


def asked_of(params: types.CompletionParams, inserts_only: bool = False) -> Asked:
    """Return what is asked for; automatic, since editors ask at every letter in the same way."""
    return Asked(
        types.InlineCompletionParams(
            context=types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            text_document=params.text_document,
            position=params.position,
        ),
        inserts_only=inserts_only,
    )


def items_of(
    snapshot: Snapshot | None,
    params: types.CompletionParams,
    items: list[types.InlineCompletionItem],
    capabilities: types.ClientCapabilities,
) -> types.CompletionList:
    """Return suggestions as items of a menu.

    Args:
        snapshot: the document as the suggestions were asked for; without one there are none.
        params: where.
        items: what is suggested there.
        capabilities: the editor's.
    """
    if snapshot is None:
        return types.CompletionList(is_incomplete=True, items=[])
    position = Position(params.position.line, params.position.character)
    line_idx, column = snapshot.locate(position)
    word = _word_before(snapshot.lines[line_idx], column)
    start = snapshot.position(line_idx, column - len(word))
    marked = _has_label_details(capabilities)
    return types.CompletionList(
        is_incomplete=True,
        items=[
            _item(word, types.Position(start.line, start.character), item, marked) for item in items
        ],
    )


def _word_before(line: str, column: int) -> str:
    """Return the letters, digits and underscores right before a column.

    An expression that is searched for takes the square of the line's length: 12 s at 40,000.
    """
    start = column
    while start and (line[start - 1].isalnum() or line[start - 1] == "_"):
        start -= 1
    return line[start:column]


def _item(
    word: str, start: types.Position, item: types.InlineCompletionItem, marked: bool
) -> types.CompletionItem:
    assert isinstance(item.insert_text, str)
    assert item.range is not None
    text = word + item.insert_text
    lines = text.strip().splitlines()
    label = lines[0]
    return types.CompletionItem(
        label=label if len(label) <= _MAX_LABEL_CHARS else label[: _MAX_LABEL_CHARS - 1] + "…",
        label_details=types.CompletionItemLabelDetails(description="Midfill") if marked else None,
        detail=None if marked else "Midfill",
        kind=types.CompletionItemKind.Text,
        documentation=text if len(lines) > 1 else None,
        sort_text=_LAST,
        filter_text=word + lines[0][len(word) :],
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(types.Range(start, item.range.end), text),
        command=item.command,
    )


def _has_label_details(capabilities: types.ClientCapabilities) -> bool:
    document = capabilities.text_document
    completion = document.completion if document else None
    item = completion.completion_item if completion else None
    return bool(item and item.label_details_support)
