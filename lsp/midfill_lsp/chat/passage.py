"""A file or a selection as it goes to a model: past the privacy gate, cut, quoted. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from midfill_lsp.context import Gate, Refusal, Trust
from midfill_lsp.errors import MidfillError

_BACKTICKS: Final = re.compile(r"`{3,}")


class Withheld(MidfillError):
    """The privacy gate keeps a file back; the text says why and what would change it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines of a document, as they may be sent.

    Attributes:
        name: the file's path, for the model.
        language_id: as the editor names it.
        text: lines ended by LF, secrets masked.
        first_line: number of the first line, from 1.
        num_secrets: lines in which something was masked.
        num_cut: lines that were left out behind these.
    """

    name: str
    language_id: str
    text: str
    first_line: int = 1
    num_secrets: int = 0
    num_cut: int = 0

    @property
    def num_lines(self) -> int:
        """How many lines there are."""
        return self.text.count("\n") + (not self.text.endswith("\n"))

    def quoted(self) -> str:
        """Return it under its name, in a fence that nothing in it closes."""
        last = self.first_line + self.num_lines - 1
        cut = f", {self.num_cut} more lines left out" if self.num_cut else ""
        end = "" if self.text.endswith("\n") else "\n"
        mark = fence_for(self.text)
        return (
            f"`{self.name}`, lines {self.first_line} to {last}{cut}:\n\n"
            f"{mark}{self.language_id}\n{self.text}{end}{mark}"
        )

    def fitted(self, max_chars: int) -> Passage:
        """Return as many of the first lines as fit, one at least, and that one cut too."""
        if len(self.text) <= max_chars:
            return self
        end = self.text.rfind("\n", 0, max_chars) + 1
        text = self.text[: end or max_chars]
        kept = replace(self, text=text)
        return replace(kept, num_cut=self.num_cut + self.num_lines - kept.num_lines)

    def notes(self) -> list[str]:
        """Return what the user should know of how it was sent."""
        told: list[str] = []
        if self.num_cut:
            told.append(
                f"the last {self.num_cut} lines of {self.name} did not fit and were left out"
            )
        if self.num_secrets:
            told.append(f"what looks like a secret was masked in {self.num_secrets} lines")
        return told


def fence_for(text: str) -> str:
    """Return a fence of backticks longer than any in a text."""
    longest = max((len(found) for found in _BACKTICKS.findall(text)), default=2)
    return "`" * (longest + 1)


def admit(
    gate: Gate, trust: Trust, uri: str, language_id: str, text: str, first_line: int = 1
) -> Passage:
    """Return what of a document's text may be sent; some milliseconds of work, more at first.

    Args:
        gate: judges the file and masks its lines.
        trust: how far the backend is trusted.
        uri: the document.
        language_id: as the editor names it.
        text: of it, with any line ends.
        first_line: where that text begins, from 1.

    Raises:
        Withheld: the gate keeps it back.
    """
    answer = gate.admit(uri, text.replace("\r\n", "\n").replace("\r", "\n"), trust, "document")
    if isinstance(answer, Refusal):
        raise Withheld(f"{answer.reason}: it was not sent")
    return Passage(answer.name, language_id, answer.text, first_line, answer.num_secrets)
