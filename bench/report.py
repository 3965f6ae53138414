"""The tables of ``bench.quality``: as JSON, as markdown for the model card, and single cases.

A table has one row a way to complete and one column a measure. Knows no models and no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.cases import Case
from bench.rows import WITH
from bench.scores import Interval, Measure, best, clear, cut

Table = Mapping[str, Mapping[str, Measure]]
"""Row -> measure -> figures; not every row has every measure."""

BASELINES = ("no_op", "copy_line", "copy_suffix", "ngram")
BOUNDS = ("oracle", "gold")
TITLES = {
    "exact_match": "exact match",
    "first_line": "first line exact",
    "identifier": "identifier exact",
    "edit_similarity": "edit similarity",
    "bits_per_byte": "bits per byte",
}


def as_json(table: Table) -> dict[str, Any]:
    """Returns rows with intervals, and the paired differences of each model's row.

    ``differences`` are to the best baseline, ``gains`` of what goes along to nothing.
    """
    rows = {
        name: {measure: rounded(figures.interval()) for measure, figures in row.items()}
        for name, row in table.items()
    }
    differences = {name: difference(table, name) for name in models(table)}
    gains = {
        name: {
            measure: rounded(figures.minus(table[bare][measure]).interval())
            for measure, figures in table[name].items()
        }
        for name in models(table)
        if WITH in name and (bare := name.partition(WITH)[0]) in table
    }
    return {"rows": rows, "differences": differences, **({"gains": gains} if gains else {})}


def models(table: Table) -> list[str]:
    """Returns the rows that are neither baseline nor bound."""
    return [name for name in table if name not in (*BASELINES, *BOUNDS)]


def difference(table: Table, name: str) -> dict[str, Any]:
    """Returns for each measure the best baseline, the difference to it, and whether it is clear.

    Clear: the two intervals do not touch and the model is the better.
    """
    found: dict[str, Any] = {}
    for measure, figures in table[name].items():
        rivals = {row: table[row][measure] for row in BASELINES if measure in table.get(row, {})}
        if rivals:
            rival = best(rivals)
            found[measure] = {
                "baseline": rival,
                "difference": rounded(figures.minus(rivals[rival]).interval()),
                "clear": clear(figures, rivals[rival]),
            }
    return found


def only(table: Table, keep: Sequence[bool]) -> dict[str, dict[str, Measure]]:
    """Returns the table of the cases that are kept; a shorter column has the first cases."""
    return {
        name: {
            measure: figures.only(keep[: len(figures.clusters)]) for measure, figures in row.items()
        }
        for name, row in table.items()
    }


def markdown(measured: Mapping[str, Any]) -> str:
    """Returns one table as markdown, from what ``as_json`` returned."""
    rows: dict[str, dict[str, list[float]]] = measured["rows"]
    columns = [name for name in TITLES if any(name in row for row in rows.values())]
    lines = [
        "| completion | " + " | ".join(f"{TITLES[name]} (95 %)" for name in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for name, row in rows.items():
        cells = [cell(column, row[column]) if column in row else "" for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, row in measured["differences"].items():
        cells = [
            f"{cell(column, row[column]['difference'], '+')} {row[column]['baseline']}"
            + (", clear" if row[column]["clear"] else "")
            if column in row
            else ""
            for column in columns
        ]
        lines.append(f"| {name} against the best baseline | {' | '.join(cells)} |")
    for name, row in measured.get("gains", {}).items():
        cells = [cell(column, row[column], "+") if column in row else "" for column in columns]
        lines.append(f"| {name} against without | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(column: str, figures: Sequence[float], sign: str = "") -> str:
    """Returns an estimate and its interval: shares in per cent, bits as they are."""
    form = f"{sign}.2f" if column == "bits_per_byte" else f"{sign}.1%"
    estimate, low, high = (format(value, form) for value in figures)
    return f"{estimate} ({low} to {high})"


def rounded(figures: Interval) -> list[float]:
    """Returns the figures with four decimals."""
    return [round(value, 4) for value in figures]


def shown(cases: Sequence[Case], texts: Mapping[str, Sequence[str]], num: int) -> Iterator[str]:
    """Yields lines that show the first ``num`` cases and what each row made of them."""
    for idx, case in enumerate(cases[:num]):
        yield f"{case.head}|{case.expected}"
        for name, made in texts.items():
            if name not in BOUNDS:
                yield f"    {name}: {cut(made[idx], case.num_lines)}"


def records(cases: Sequence[Case], texts: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Returns the cases with their completions, for the card's successes and failures."""
    return [
        {
            "kind": case.kind,
            "path": f"{case.package}/{case.path}",
            "language": case.language,
            "head": case.head,
            "expected": cut(case.expected, case.num_lines),
            "completions": {name: cut(made[idx], case.num_lines) for name, made in texts.items()},
        }
        for idx, case in enumerate(cases)
    ]
