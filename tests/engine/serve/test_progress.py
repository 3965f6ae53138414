"""What a load writes into the log while a model comes."""

from __future__ import annotations

from midfill_engine.cli.progress import ProgressLines
from midfill_engine.model.progress import Stage


def test_two_lines_a_second_at_most_and_none_back() -> None:
    told: list[tuple[float, Stage, float]] = [
        (0.0, "downloading", 0.1),
        (1.0, "downloading", 0.2),
        (1.2, "downloading", 0.3),
        (1.5, "downloading", 0.15),
        (1.5, "downloading", 0.437),
        (2.0, "loading", 0.0),
        (2.5, "loading", 0.004),
        (3.0, "loading", 2.0),
    ]
    moments = iter([at_s for at_s, _, _ in told])
    lines: list[str] = []
    progress = ProgressLines("big", lines.append, lambda: next(moments))
    for _, stage, share in told:
        progress(stage, share)
    assert lines == [
        "midfill-engine: big: downloading 20 %",
        "midfill-engine: big: downloading 43 %",
        "midfill-engine: big: loading 0 %",
        "midfill-engine: big: loading 100 %",
    ]
