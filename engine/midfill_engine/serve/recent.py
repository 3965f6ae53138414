"""The PRO API's memory of recent results: the same request gets the same reply, sampled or not.

A table bounded in replies and bytes, least recently used first out; keys are digests, so prompts
are not kept twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass

from midfill_engine.serve.parse import Json

_IRRELEVANT = frozenset({"options", "stream", "model"})


@dataclass(frozen=True, slots=True)
class Recent:
    """A reply that was complete: its body and the headers that told of it."""

    body: bytes
    headers: dict[str, str]


class RecentResults:
    """Replies by request; used on the event loop only."""

    def __init__(self, max_replies: int, max_bytes: int) -> None:
        """Remember at most so many replies, and so many bytes of them."""
        self._max_replies = max_replies
        self._max_bytes = max_bytes
        self._replies: OrderedDict[str, Recent] = OrderedDict()
        self._num_bytes = 0

    def get(self, key: str) -> Recent | None:
        """An earlier reply."""
        found = self._replies.get(key)
        if found is not None:
            self._replies.move_to_end(key)
        return found

    def put(self, key: str, reply: Recent) -> None:
        """Remember a reply; one over the bound is not kept."""
        before = self._replies.pop(key, None)
        if before is not None:
            self._num_bytes -= len(before.body)
        self._replies[key] = reply
        self._num_bytes += len(reply.body)
        while len(self._replies) > self._max_replies or self._num_bytes > self._max_bytes:
            _, oldest = self._replies.popitem(last=False)
            self._num_bytes -= len(oldest.body)


def request_key(body: Json, load_id: str) -> str:
    """The same for requests that mean the same, to the same loading of a model."""
    relevant = {name: value for name, value in body.items() if name not in _IRRELEVANT}
    text = json.dumps([load_id, relevant], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
