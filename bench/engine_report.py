"""The table and the plot of `bench/engine.py`. Knows its JSON and nothing of engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

Rows = list[tuple[str, Mapping[str, float]]]


def table(results: Mapping[str, Any], names: Sequence[str]) -> str:
    """Returns markdown with the measures as rows and the contenders as columns."""
    rows: Rows = []
    for key, label in (("first_token_ms", "cold"), ("extended_first_token_ms", "+1 token")):
        for length, values in results[key].items():
            rows.append((f"first token, {length} {label}, ms", values))
    rows.append(("per token, ms", results["ms_per_token"]))
    rows.append((f"completion of {results['new_tokens']} tokens, ms", results["completion_ms"]))
    for key, label in (
        ("crowd_tokens_per_s", "prompts included"),
        ("typing_crowd_tokens_per_s", "one token typed"),
    ):
        for num, values in results[key].items():
            rows.append((f"tokens/s, {num} at once, {label}", values))
    for key, label in (("load_s", "load, s"), ("peak_mb", "peak memory, MB")):
        rows.append((label, {name: found[key] for name, found in results["fresh"].items()}))
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for label, values in rows:
        cells = [_cell(values[name]) if name in values else "" for name in names]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(results: Mapping[str, Any], names: Sequence[str], path: Path) -> None:
    """Writes time per token over the context, and throughput over the crowd, as one picture.

    Raises:
        ValueError: `path` names no format that matplotlib can write.
    """
    from matplotlib.figure import Figure  # late: only the plot needs it

    made = cast("Any", Figure(figsize=(11, 4.2), layout="constrained"))  # its types are partial
    left, right = made.subplots(1, 2)
    for axes, key in ((left, "curve_ms_per_token"), (right, "crowd_tokens_per_s")):
        curves: Mapping[Any, Mapping[str, float]] = results[key]
        places = [int(place) for place in curves]
        for idx, name in enumerate(names):
            heights = [values[name] for values in curves.values()]
            dashes = "-" if name.startswith("midfill") else "--"
            axes.plot(places, heights, dashes, marker="o", ms=3, color=f"C{idx}", label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(places, [str(place) for place in places])
        axes.grid(visible=True, which="both", alpha=0.25)
    left.set(xlabel="tokens in front", ylabel="ms a token, one request")
    right.set(xlabel="requests at once", ylabel="tokens a second, all together")
    made.legend(*left.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    made.suptitle(f"{results['model']}, {results['threads']} threads", fontsize=10)
    made.savefig(path, dpi=110)


def _cell(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
