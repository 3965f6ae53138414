"""The question and the tool that tests of chat begin with."""

from __future__ import annotations

from typing import Any

ROUTE = "/v1/chat/completions"
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
FUNCTION: dict[str, Any] = {"name": "add", "parameters": {"type": "object", "properties": {}}}
TOOL: dict[str, Any] = {"type": "function", "function": FUNCTION}
