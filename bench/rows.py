"""The rows that a model has in the tables: how it is asked, and what goes along.

Called by ``bench.quality``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.backends import Ask, Variant
from bench.cases import Case, Kind
from bench.crossing import ROWS
from midfill_lsp.fim_files import OtherFiles

NUM_PREDICT: dict[Kind, int] = {"line": 48, "mid": 48, "multi": 128, "cross_file": 48}
"""Most tokens of a completion: 99 % of the expected texts are shorter."""
WITH = " + "
"""Stands in a row's name before what goes along."""


@dataclass(frozen=True, slots=True)
class Row:
    """A variant, and which pieces of other files it gets (None: none)."""

    variant: Variant
    others: str | None = None

    @property
    def name(self) -> str:
        """The row's name: ``spm_heal``, ``spm_heal + signatures``."""
        return self.variant.name + (f"{WITH}{self.others}" if self.others else "")

    def ask(self, case: Case) -> Ask:
        """Returns the request that completes a case."""
        files = case.others[self.others] if self.others else ()
        others = OtherFiles(files, case.path, case.package)
        limit = NUM_PREDICT[case.kind]
        return Ask(case.prefix, case.suffix, self.variant, limit, case.num_lines, others)


def rows_of(kind: Kind, variants: Sequence[Variant]) -> list[Row]:
    """Returns a model's rows for cases of a kind."""
    along: tuple[str | None, ...] = (None, *ROWS) if kind == "cross_file" else (None,)
    return [Row(variant, others) for variant in variants for others in along]
