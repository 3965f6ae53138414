"""Every route as clients see it: one table per dialect, keyed by method and path.

A route without an entry fails `tests/engine/serve/test_openapi.py`; an entry is all that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping

from midfill_engine.serve.operations import chat, engine, llama, openai, tgi
from midfill_engine.serve.operations.schema import Operation

OPERATIONS: Mapping[str, Operation] = {
    **engine.OPERATIONS,
    **llama.OPERATIONS,
    **openai.OPERATIONS,
    **chat.OPERATIONS,
    **tgi.OPERATIONS,
}
