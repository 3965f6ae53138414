"""What goes to a backend besides the text around the cursor, and what never leaves.

    gate          the one gate in front of every source, the edited document included
    judge         which files pass it
    trust         how far a backend is trusted
    workspace     the editor's folders, and where a file is in them
    ignore        .gitignore and .midfillignore, by `pattern` and with what `git_rules` knows;
                  `rule_files` reads them
    secret_files  files that look like secrets, by name
    secret_lines  secrets in lines, by `secret_rules`; `secret_keys` those over several lines
    finder        what of other files goes along, over these, each in its thread:
    live_index    the workspace's files as they are now, by `index`
    reading       the sources: buffers, edits, signatures (over outlines and resolve)
    ranking       the choice of each document, by score and choose
    work          their threads

Knows no protocol and no network. `complete` and `chat` call.
"""

from __future__ import annotations

from midfill_lsp.context.finder import Finder
from midfill_lsp.context.found import Found
from midfill_lsp.context.gate import Admitted, AdmittedAround, Gate
from midfill_lsp.context.ignore import NAMES as RULE_FILES
from midfill_lsp.context.judge import Refusal, Role
from midfill_lsp.context.outlines import LANGUAGES
from midfill_lsp.context.trust import Trust, trust_of
from midfill_lsp.context.workspace import Workspace, path_of

__all__ = [
    "LANGUAGES",
    "RULE_FILES",
    "Admitted",
    "AdmittedAround",
    "Finder",
    "Found",
    "Gate",
    "Refusal",
    "Role",
    "Trust",
    "Workspace",
    "path_of",
    "trust_of",
]
