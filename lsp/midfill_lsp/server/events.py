"""What editors tell of suggestions, and arguments of commands, checked. Called by `handlers`."""

from __future__ import annotations

from typing import cast

from pygls.exceptions import JsonRpcInvalidParams

from midfill_lsp.server.raw import RawParams, members

_MAX_UNITS = 2**31 - 1


def read_item(method: str, params: RawParams) -> str:
    """Return the id of the item that was shown or accepted.

    Raises:
        JsonRpcInvalidParams: the item is not as it was in the reply.
    """
    item = members(params).get("item")
    command = members(item).get("command")
    arguments = members(command).get("arguments")
    first = cast("list[object]", arguments)[:1] if isinstance(arguments, list) else []
    if not first or not isinstance(first[0], str):
        raise JsonRpcInvalidParams(
            f"{method}: item.command.arguments: the item must be as it was in the reply"
        )
    return first[0]


def read_accepted_length(method: str, params: RawParams) -> int:
    """Return how many UTF-16 units were accepted.

    Raises:
        JsonRpcInvalidParams: it is no such number.
    """
    length = members(params).get("acceptedLength")
    if isinstance(length, float) and length.is_integer():
        length = int(length)
    if not isinstance(length, int) or isinstance(length, bool) or not 0 <= length <= _MAX_UNITS:
        raise JsonRpcInvalidParams(f"{method}: acceptedLength: a whole number of UTF-16 units")
    return length


def read_accepted(arguments: tuple[object, ...]) -> str:
    """Return the id that `midfill.accepted` was called with.

    Raises:
        JsonRpcInvalidParams: it is no text, or missing.
    """
    given = arguments[0] if arguments else None
    if not isinstance(given, str):
        raise JsonRpcInvalidParams("midfill.accepted: arguments[0]: the id of an item, a text")
    return given


def read_number(arguments: tuple[object, ...]) -> int | None:
    """Return how many explanations are wanted, None if that is not said.

    Raises:
        JsonRpcInvalidParams: it is no such number.
    """
    given = arguments[0] if arguments else None
    if given is None:
        return None
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool) or not 0 < given <= _MAX_UNITS:
        raise JsonRpcInvalidParams("midfill.explain: arguments[0]: a whole number from 1")
    return given
