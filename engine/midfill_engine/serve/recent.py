"""The PRO API's memory of recent results: the same request gets the same reply, sampled or not.

A bounded table, least recently used first out; keys are digests, so prompts are not kept twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping

from midfill_engine.serve.parse import Json

_IRRELEVANT = frozenset({"options", "stream", "model"})


class RecentResults:
    """Replies by request; used on the event loop only."""

    def __init__(self, capacity: int) -> None:
        """Remember at most `capacity` replies."""
        self._capacity = capacity
        self._replies: OrderedDict[str, tuple[object, Mapping[str, str]]] = OrderedDict()

    def get(self, key: str) -> tuple[object, Mapping[str, str]] | None:
        """The body and headers of an earlier reply."""
        found = self._replies.get(key)
        if found is not None:
            self._replies.move_to_end(key)
        return found

    def put(self, key: str, body: object, headers: Mapping[str, str]) -> None:
        """Remember a reply."""
        self._replies[key] = (body, headers)
        self._replies.move_to_end(key)
        while len(self._replies) > self._capacity:
            self._replies.popitem(last=False)


def request_key(body: Json, load_id: str) -> str:
    """The same for requests that mean the same and go to the same loading of a model."""
    relevant = {name: value for name, value in body.items() if name not in _IRRELEVANT}
    relevant = {"load_id": load_id, "body": relevant}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()
