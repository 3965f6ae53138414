"""The replay's person, its editor and its figures; the processes are not started."""

from __future__ import annotations

import json
import random
import re

import pytest
from bench.edits import difference, position
from bench.engine_tap import Exchange
from bench.keys import Key, Log
from bench.latency import TRACES
from bench.latency_report import figures, shown_tokens, way_of
from bench.typist import Ghost, Typist

from midfill_lsp.document import Edit, Position, open_snapshot

TEXT = 'def add(a, b):\n    """Sum."""\n    return sum([a, b])\n\n\nprint(add(1, 2))\n'
START, END = TEXT.index("    return"), TEXT.index("\n\n\nprint")


def kinds(typist: Typist, suggest: bool) -> list[str]:
    made: list[str] = []
    while (move := typist.plan()) is not None:
        written = len(typist.editor.before)
        ghost = Ghost(TEXT[written : written + 6] + "?" * (written % 2))
        accept = typist.choose(ghost) if suggest and len(made) % 4 == 0 else None
        if accept is not None:
            typist.accept(accept)
            made.append(accept.take)
        else:
            assert 0 < move.gap_s <= 4
            typist.do(move)
            made.append(move.kind)
    return made


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("suggest", [False, True])
def test_a_person_writes_the_stretch_whatever_happens(seed: int, suggest: bool) -> None:
    typist = Typist(TEXT, START, END, f"{seed}")
    made = kinds(typist, suggest)
    assert typist.editor.before == TEXT[:END]
    again = Typist(TEXT, START, END, f"{seed}")
    assert kinds(again, suggest) == made
    assert made.count("wrong") == made.count("backspace")


def test_over_many_people_everything_happens() -> None:
    made = {
        kind
        for seed in range(300)
        for kind in kinds(Typist(TEXT, 15, END, f"{seed}"), suggest=True)
    }
    keys = {"text", "newline", "wrong", "backspace", "jump", "undo"}
    assert made == keys | {"whole", "line", "word"}


def test_only_what_is_wanted_is_taken() -> None:
    typist = Typist(TEXT, START, END, "1")
    typist.plan()
    assert typist.choose(Ghost("    raise")) is None
    assert typist.choose(Ghost(TEXT[START:] + "more")) is None


@pytest.mark.parametrize("seed", range(20))
def test_one_edit_leads_from_text_to_text(seed: int) -> None:
    rng = random.Random(seed)
    old, new = ("".join(rng.choices("ab\n😀é", k=rng.randrange(30))) for _ in range(2))
    edit = difference(old, new)
    if edit is None:
        assert old == new
        return
    places = [Position(**edit["range"][name]) for name in ("start", "end")]
    snapshot = open_snapshot("file:///x", "python", 1, old, "utf-16")
    assert snapshot.apply((Edit(edit["text"], *places),), 2).text == new
    assert position(new, len(new))["line"] == new.count("\n")


def exchange(asked_at: float, prefix: str, *events: tuple[float, str, int]) -> Exchange:
    return Exchange(asked_at, prefix, "", list(events))


def test_tokens_count_as_shown_up_to_what_was_on_the_screen() -> None:
    told = exchange(0.0, "x = ", (0.1, "add", 1), (0.2, "(1", 2), (0.3, ", 2)", 3))
    assert shown_tokens(told, [("x = ", "add", 1.0)]) == 1
    assert shown_tokens(told, [("x = ", "add(1", 1.0), ("x = ad", "d(1, 2)", 2.0)]) == 6
    assert shown_tokens(told, [("x = ", "sub", 1.0), ("y = ", "add", 1.0)]) == 0


def test_a_keystroke_is_cut_where_the_tap_saw_it() -> None:
    key = Key("text", 1, 1, at=10.0, first_at=10.1, final_at=10.2)
    key.explanation = {"outcome": "shown", "timingsMs": {"debounce": 40.0}}
    asked = exchange(10.042, "x", (10.06, "a", 1), (10.098, "b", 1), (10.15, "c", 1))
    way = way_of(key, [asked], [asked.asked_at])
    assert way is not None
    assert way.before == pytest.approx(2.0)
    assert way.engine == pytest.approx(56.0)
    assert way.after == pytest.approx(2.0)
    log = Log(keys=[key, Key("text", 2, 2, at=10.3)], num_typed=30)
    told = figures(log, [asked])
    assert told["first_text_ms"] == {"p50": 60.0, "p95": 60.0, "num": 1}
    assert told["overhead_ms"] == {"p50": 4.0, "p95": 4.0, "num": 1}
    assert told["no_io_share"] == 0.0
    assert told["keys_overtaken"] == 1
    assert told["outcomes"] == {"overtaken": 1, "shown": 1}


def test_a_stream_that_ran_already_is_the_engines_time_too() -> None:
    key = Key("text", 1, 1, at=10.0, first_at=10.031, final_at=10.05)
    key.explanation = {"outcome": "shown", "joined": True, "timingsMs": {}}
    told = exchange(9.9, "x", (9.95, "a", 1), (10.03, "b", 1), (10.04, "c", 1))
    way = way_of(key, [told], [told.asked_at])
    assert way is not None
    assert way.joined
    assert way.engine == pytest.approx(30.0)
    assert way.after == pytest.approx(1.0)
    assert figures(Log(keys=[key]), [told])["joined_share"] == 1.0
    assert figures(Log(keys=[key]), [told])["overhead_ms"] is None


def test_a_keystroke_without_a_request_is_the_servers_alone() -> None:
    key = Key("text", 1, 1, at=10.0, first_at=10.002, final_at=10.002)
    key.explanation = {"outcome": "cached", "timingsMs": {}}
    told = figures(Log(keys=[key]), [exchange(9.0, "x", (9.1, "a", 1))])
    assert told["first_text_no_io_ms"] == {"p50": 2.0, "p95": 2.0, "num": 1}
    assert told["no_io_share"] == 1.0
    assert told["overhead_ms"] is None


def test_the_traces_are_many_and_of_several_languages() -> None:
    traces = [json.loads(line) for line in TRACES.read_text("utf-8").splitlines()]
    assert len(traces) >= 20
    assert {trace["language"] for trace in traces} == {"python", "cpp", "javascript"}
    assert all(re.fullmatch(r"[\w./]+", trace["path"]) for trace in traces)
