"""Why there is, or is no, suggestion: every reason that exists, in a plain sentence, with a remedy.

Called by `server` for `midfill.explain`, and by `cli`. The table of docs/protocol.md is made of it:
`make docs`. A test fails when an outcome, a skip, a trim's rule or an error has no entry.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from midfill_lsp.metrics import Explanation

BEGIN = "<!-- made by `make docs` from lsp/midfill_lsp/reasons.py -->"
END = "<!-- end of the reasons -->"


@dataclass(frozen=True, slots=True)
class Reason:
    """What became of a request.

    Attributes:
        sentence: for people; `detail` of the explanation may say more.
        remedy: what to do about it, None if nothing has to be done.
    """

    sentence: str
    remedy: str | None = None


_WAIT = "nothing: it is tried again by itself"
_ASK = "ask explicitly: such requests are never skipped"
_DOCTOR = "run midfill doctor, which looks at the backend and says more"
_MODEL = "nothing; a larger model does this less often (midfill models recommend)"

REASONS: dict[str, Reason] = {
    "shown": Reason("The suggestion was sent to the editor."),
    "cached": Reason("An earlier suggestion goes on here; the backend was not asked."),
    "stale": Reason("The document had changed when the answer came, so it was not shown.", _WAIT),
    "superseded": Reason("A later request took this one's place.", _WAIT),
    "cancelled": Reason("The editor took the request back, as most do at every key.", _WAIT),
    "disabled": Reason(
        "A setting switches suggestions off here.",
        "midfill config set completion.enabled true, or take the language out of "
        "completion.disabled_languages; midfill config show tells where it was set",
    ),
    "skipped": Reason(
        "Nothing was sent, for the reason that detail gives.",
        "where it is a control token in the cursor's line, take it out: the server would obey it",
    ),
    "skipped.selection": Reason("Text is selected.", _ASK),
    "skipped.undo": Reason("An undo or a redo brought this text back.", _ASK),
    "skipped.midWord": Reason("The cursor is inside a word.", _ASK),
    "skipped.beforeText": Reason("The cursor is right before text.", _ASK),
    "skipped.afterBracket": Reason("The cursor is right behind a closing bracket.", _ASK),
    "skipped.notOpen": Reason(
        "The editor has not opened this document with the server.",
        "see that the editor starts Midfill for this kind of file",
    ),
    "skipped.outOfStep": Reason(
        "A change of this document could not be read, so its text is not known.",
        "close the document and open it again; the editor's log names the fault",
    ),
    "skipped.otherItem": Reason(
        "The pop-up menu's selected item is not at the cursor.", "close the menu, or ask again"
    ),
    "skipped.private": Reason(
        "The privacy gate lets nothing of this document go to the backend.",
        "detail names the rule: see Privacy in docs/configuration.md (context.*, .midfillignore)",
    ),
    "empty": Reason("The model wrote nothing here.", _MODEL),
    "empty.line": Reason("The model began with a line end.", _MODEL),
    "empty.block": Reason("The model left the block at once.", _MODEL),
    "empty.suffix": Reason("The model wrote what stands behind the cursor already.", _MODEL),
    "empty.bracket": Reason("The model closed a bracket that is not open here.", _MODEL),
    "empty.repeat": Reason("The model repeated itself, or lines that stand around.", _MODEL),
    "empty.sentinel": Reason("The model wrote a control token or character.", _MODEL),
    "empty.limit": Reason("The token limit came before anything could be shown.", _MODEL),
    "empty.blank": Reason("The model wrote blanks only.", _MODEL),
    "empty.syntax": Reason("The text would not parse, where the file does.", _MODEL),
    "empty.unsure": Reason("The model was too unsure of the text.", _MODEL),
    "error": Reason("The backend failed.", _DOCTOR),
    "error.BackendError": Reason("The backend failed.", _DOCTOR),
    "error.LeftAlone": Reason(
        "The backend failed a moment ago, and is left alone for a while.",
        "nothing, or ask explicitly; midfill.status names the failure",
    ),
    "error.EngineStartError": Reason(
        "The engine cannot be started.", "detail names the cause; midfill doctor says more"
    ),
    "error.EngineGone": Reason("The engine ended, or its connection broke.", _WAIT),
    "error.AccessDenied": Reason(
        "The backend refused the key or the token, or it may not be sent there.",
        "see Tokens in docs/configuration.md; midfill doctor names the token's source",
    ),
    "error.Overloaded": Reason("The backend asks to come back later.", _WAIT),
    "error.ModelLoading": Reason("The backend is loading the model.", _WAIT),
    "error.TimedOut": Reason(
        "Nothing came in time.", "raise backend.first_byte_timeout_s or backend.idle_timeout_s"
    ),
    "error.Unreachable": Reason(
        "No connection: a name, the network, a proxy or a certificate.", _DOCTOR
    ),
    "error.ConnectionLost": Reason("A remote answer broke off.", _WAIT),
    "error.NotServed": Reason(
        "Nothing is served at this address, or not this model.",
        "check backend.url and backend.model; midfill doctor lists what is there",
    ),
    "error.CannotDo": Reason(
        "The model or the server cannot do this.",
        "choose a model that was trained to infill, or set backend.fim_family",
    ),
    "error.BadReply": Reason("The backend rejected the request or answered nonsense.", _DOCTOR),
    "error.PromptTooLong": Reason(
        "The prompt does not fit the model's context.",
        "lower completion.prefix_chars, or set backend.context_tokens",
    ),
    "error.ServerFailed": Reason("The backend failed on its side.", _DOCTOR),
}


def code_of(explanation: Explanation) -> str:
    """Return the name in `REASONS` of what became of a request."""
    outcome = explanation.outcome
    parts = {
        "skipped": explanation.skip,
        "empty": explanation.detail,
        "error": explanation.failure,
    }
    part = parts.get(outcome)
    code = f"{outcome}.{part}" if part else outcome
    return code if code in REASONS else outcome


def describe(explanation: Explanation) -> dict[str, str | None]:
    """Return the reason as `midfill.explain` tells it."""
    code = code_of(explanation)
    reason = REASONS[code]
    return {"code": code, "sentence": reason.sentence, "remedy": reason.remedy}


def rewrite(page: str) -> str:
    """Return docs/protocol.md with the table of today between its marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = "".join(
        f"| `{code}` | {reason.sentence} | {reason.remedy or ''} |\n"
        for code, reason in REASONS.items()
    )
    header = "| `reason.code` | `reason.sentence` | `reason.remedy` |\n| --- | --- | --- |\n"
    return f"{head}{BEGIN}\n\n{header}{rows}\n{END}{tail}"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.write_text(rewrite(place.read_text(encoding="utf-8")), encoding="utf-8")
