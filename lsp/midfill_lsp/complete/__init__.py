"""The completion use case. Knows no protocol library and no HTTP; `server` calls.

request     where, and what is suggested
completer   from the request to the suggestions: the order of everything below
when        whether anything is asked; history (was it an undo), rhythm (how long to wait)
gather      what is asked; clearance (what of it may be sent, and what else goes along)
answers     from the cache, a stream that runs, what one wrote (recall), or a new one;
            candidates (more than one), outcome (what `midfill.explain` is told)
prefetch    what comes behind a suggestion that was accepted (offers)
warm_up     what the engine reads while the cursor rests
streams     which stream runs for a document, and when it is aborted
live        one stream; stream (trimmed as it comes), anchor (what was typed since), view (what it
            says at one cursor)
pause       waits as exact as the event loop has them; one_task: work of which the latest counts
"""

from __future__ import annotations

from midfill_lsp.complete.clearance import Clearance, Wish
from midfill_lsp.complete.completer import Completer
from midfill_lsp.complete.request import CompletionRequest, Suggestion

__all__ = ["Clearance", "Completer", "CompletionRequest", "Suggestion", "Wish"]
