"""The completion use case. Knows no protocol library and no HTTP; `server` calls.

request     where, and what is suggested
completer   from the request to the suggestion
when        whether anything is asked
gather      what is asked
stream      the backend's text, trimmed as it comes
"""

from __future__ import annotations

from midfill_lsp.complete.clearance import Clearance, Wish
from midfill_lsp.complete.completer import Completer
from midfill_lsp.complete.request import CompletionRequest, Suggestion

__all__ = ["Clearance", "Completer", "CompletionRequest", "Suggestion", "Wish"]
