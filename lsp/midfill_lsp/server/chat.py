"""`midfill/chat` and `midfill/edit` as they come off the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from midfill_lsp.backend.base import ChatMessage
from midfill_lsp.server.raw import RawParams, is_token, members
from midfill_lsp.server.rpc import Protocol
from midfill_lsp.server.strict import told

_ROLES = ("system", "user", "assistant")
_MOST_PLACES = 8
_MOST_INSTRUCTION_CHARS = 10_000


@dataclass(frozen=True, slots=True)
class AskedPlace:
    """A document, or a range of it."""

    uri: str
    range: types.Range | None


@dataclass(frozen=True, slots=True)
class AskedChat:
    """The parameters of `midfill/chat`."""

    messages: tuple[ChatMessage, ...]
    places: tuple[AskedPlace, ...]
    token: str | int | None


@dataclass(frozen=True, slots=True)
class AskedEdit:
    """The parameters of `midfill/edit`; `version` is None where the editor does not say."""

    instruction: str
    place: AskedPlace
    version: int | None
    token: str | int | None


def read_chat(protocol: Protocol, params: RawParams) -> AskedChat:
    """Return the parameters of `midfill/chat`.

    Raises:
        JsonRpcInvalidParams: something is missing or has the wrong type.
    """
    fields = members(params)
    token, raw = _token(fields.get("partialResultToken"), "midfill/chat"), fields.get("messages")
    if not isinstance(raw, list) or not raw:
        raise JsonRpcInvalidParams("midfill/chat: messages: a list that is not empty")
    messages: list[ChatMessage] = []
    for idx, entry in enumerate(cast("list[object]", raw)):
        role, content = members(entry).get("role"), members(entry).get("content")
        if role not in _ROLES or not isinstance(content, str):
            raise JsonRpcInvalidParams(
                f"midfill/chat: messages[{idx}]: a role of {', '.join(_ROLES)} and a text content"
            )
        messages.append(ChatMessage(role, content))
    if messages[-1].role != "user":
        raise JsonRpcInvalidParams("midfill/chat: messages: the last one is the user's question")
    return AskedChat(tuple(messages), _places(protocol, fields.get("context")), token)


def read_edit(protocol: Protocol, params: RawParams) -> AskedEdit:
    """Return the parameters of `midfill/edit`.

    Raises:
        JsonRpcInvalidParams: something is missing or has the wrong type.
    """
    fields = members(params)
    document, instruction = members(fields.get("textDocument")), fields.get("instruction")
    version = document.get("version")
    if not isinstance(document.get("uri"), str):
        raise JsonRpcInvalidParams("midfill/edit: textDocument: an object with uri and version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise JsonRpcInvalidParams("midfill/edit: textDocument.version: a whole number")
    if not isinstance(instruction, str) or not 0 < len(instruction) <= _MOST_INSTRUCTION_CHARS:
        raise JsonRpcInvalidParams(
            f"midfill/edit: instruction: a text of 1 to {_MOST_INSTRUCTION_CHARS} characters"
        )
    if fields.get("range") is None:
        raise JsonRpcInvalidParams("midfill/edit: range: missing")
    place = AskedPlace(document["uri"], _range(protocol, fields["range"], "midfill/edit: range"))
    token = _token(fields.get("partialResultToken"), "midfill/edit")
    return AskedEdit(instruction, place, version, token)


def _places(protocol: Protocol, raw: object) -> tuple[AskedPlace, ...]:
    if raw is None:
        return ()
    entries = cast("list[object]", raw) if isinstance(raw, list) else None
    if entries is None or len(entries) > _MOST_PLACES:
        raise JsonRpcInvalidParams(f"midfill/chat: context: a list of up to {_MOST_PLACES}")
    places: list[AskedPlace] = []
    for idx, entry in enumerate(entries):
        uri, wanted = members(entry).get("uri"), members(entry).get("range")
        where = f"midfill/chat: context[{idx}]"
        if not isinstance(uri, str):
            raise JsonRpcInvalidParams(f"{where}: an object with uri and, for a selection, range")
        found = None if wanted is None else _range(protocol, wanted, f"{where}.range")
        is_empty = found is None or found.start == found.end
        places.append(AskedPlace(uri, None if is_empty else found))
    return tuple(places)


def _range(protocol: Protocol, raw: object, where: str) -> types.Range:
    try:
        return protocol.structure(members(raw), types.Range)
    except Exception as error:
        raise JsonRpcInvalidParams(f"{where}: {told(error)}") from None


def _token(token: object, method: str) -> str | int | None:
    if token is not None and not is_token(token):
        raise JsonRpcInvalidParams(f"{method}: partialResultToken: text or number")
    return cast("str | int | None", token)
