"""Which added tokens of a vocabulary steer a model, and the same vocabulary without them.

Called by `tokenizer` while a model loads; knows no `tokenizers` object, only its JSON.
"""

from __future__ import annotations

import re
from typing import Any, Final

from midfill_engine.text import pieces

CONTROL: Final = re.compile(
    r"<\|.*\|>|<\uff5c.*\uff5c>|<fim[-_].*>|\u2581?<(PRE|SUF|MID|EOT)>|\[(PREFIX|SUFFIX|MIDDLE)\]"
    r"|<(file_sep|repo_name|reponame|filename|gh_stars|jupyter_\w+|issue_\w+|commit_\w+)>"
    r"|</?(think|tool_call|tool_response)>",
    re.DOTALL,
)
"""Added tokens that steer a model though their file does not call them special (Qwen's do not)."""


def plain_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer without control tokens, templates and implicit spaces.

    Added tokens that are ordinary text stay (single letters in DeepSeek-Coder, runs of newlines in
    CodeGemma): the model was trained with them.
    """
    kept = [
        token
        for token in spec.get("added_tokens", [])
        if not token.get("special") and not CONTROL.fullmatch(token["content"])
    ]
    plain = {**spec, "added_tokens": kept, "post_processor": None}
    return pieces.without_leading_space(plain)
