"""From an editor's events to counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest

from midfill_lsp.statistics.item import Item
from midfill_lsp.statistics.store import Store
from midfill_lsp.statistics.tally import Key
from midfill_lsp.statistics.tracker import LOOK_AFTER_S, Tracker

URI = "file:///a.py"


class Editor:
    """A tracker, a document, and time that passes when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "statistics.jsonl")
        self.enabled = True
        self.lines: Sequence[str] | None = ["x = a + b\n"]
        self.waiting: list[Callable[[], None]] = []
        self.events = Counter[str]()
        self.tracker = Tracker(
            lambda: self.store,
            lambda: self.enabled,
            lambda _uri: self.lines,
            self.later,
            lambda: date(2026, 11, 26),
            self.events,
        )

    def later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        assert delay_s == LOOK_AFTER_S
        self.waiting.append(call)
        return asyncio.get_running_loop().call_later(3600, call)

    def answer(self, *items: tuple[str, str], line_idx: int = 0, head: str = "") -> None:
        made = [Item(item_id, URI, "python", line_idx, text, head) for item_id, text in items]
        self.tracker.answered(made, 20.0)

    def grow(self, item_id: str, text: str, head: str = "") -> None:
        self.tracker.growing(Item(item_id, URI, "python", 0, text, head))

    def pass_time(self) -> None:
        while self.waiting:
            self.waiting.pop()()

    async def counts(self) -> dict[str, int]:
        await self.tracker.aclose()
        tally = self.store.read().get(Key("2026-11-26", "python"))
        return dict(tally.counts) if tally else {}


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return Editor(tmp_path)


def written(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.glob("*.jsonl"))


async def test_answers_count_as_shown_where_no_editor_tells(editor: Editor) -> None:
    editor.answer(("1", "a + b"), ("2", "a - b"), ("3", "a"))
    editor.answer(("4", "c"))
    assert await editor.counts() == {"shown": 2, "shown_chars": 6}


async def test_what_is_typed_through_is_one_suggestion(editor: Editor) -> None:
    for idx, (head, text) in enumerate(
        (("x = ", "a + b"), ("x = a", " + b"), ("x = a ", "+ b"), ("x = a + ", "b"))
    ):
        editor.answer((str(idx), text), head=head)
        editor.tracker.shown(str(idx))  # each answer is an item of its own to the editor
    editor.tracker.accepted("3")
    assert editor.events == {"shown": 1, "accepted": 1}
    counts = await editor.counts()
    assert (counts["shown"], counts["accepted"], counts["accepted_chars"]) == (1, 1, 1)


async def test_a_line_may_be_typed_through_too(editor: Editor) -> None:
    editor.answer(("1", ":\n    return x"), head="def f(x)")
    editor.answer(("2", "return x"), line_idx=1, head="    ")
    editor.answer(("3", "print(x)"), line_idx=2)
    editor.answer(("4", "int(x)"), line_idx=2, head="pr")  # in the pop-up menu, or not
    editor.answer(("5", "print(x)"), line_idx=2)
    assert (await editor.counts())["shown"] == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0, "if a", ":"), (10, "if a", ":")),
        ((0, "f(", "self.a)"), (3, "f(b", ")")),
        ((0, "f(", "a)"), (0, "f(b", ")")),  # in the same line, but not what was typed
    ],
)
async def test_the_same_end_elsewhere_is_another(
    editor: Editor, first: tuple[int, str, str], second: tuple[int, str, str]
) -> None:
    # Whatever ended as the last suggestion did was counted as its rest.
    for item_id, (line_idx, head, text) in (("1", first), ("2", second)):
        editor.answer((item_id, text), line_idx=line_idx, head=head)
    editor.tracker.accepted("2")
    counts = await editor.counts()
    assert (counts["shown"], counts["accepted"]) == (2, 1)


async def test_what_grows_is_one_suggestion(editor: Editor) -> None:
    for text in ("a", "a +", "a + b"):
        editor.grow("1", text)
        editor.tracker.shown("1")
    editor.answer(("1", "a + b"), ("2", "c"))
    editor.tracker.accepted("1")
    wanted = {"shown": 1, "shown_chars": 5, "accepted": 1, "accepted_chars": 5}
    assert await editor.counts() == wanted


async def test_what_is_taken_while_it_grows_counts_as_far_as_it_came(editor: Editor) -> None:
    editor.grow("1", "alpha +")
    editor.tracker.partly_accepted("1", len("alpha"))
    editor.grow("2", " +", head="alpha")  # the rest, asked for anew: the same suggestion
    editor.tracker.accepted("2")
    editor.grow("3", "beta")  # what comes behind is another
    counts = await editor.counts()
    wanted = {"shown": 1, "shown_chars": 7, "partly_accepted": 1, "accepted": 1}
    assert {name: counts[name] for name in wanted} == wanted
    assert counts["accepted_chars"] == len("alpha +")


async def test_an_editor_that_tells_is_believed(editor: Editor) -> None:
    editor.answer(("1", "a"))
    editor.tracker.shown("1")  # counted already
    editor.answer(("2", "b"))
    editor.answer(("3", "c"), ("4", "d"))
    editor.tracker.shown("4")
    editor.tracker.shown("nobody's")
    assert (await editor.counts())["shown"] == 2


async def test_parts_and_the_whole_are_counted_once(editor: Editor) -> None:
    editor.answer(("1", "😀 + b"))
    editor.tracker.partly_accepted("1", 2)
    editor.tracker.partly_accepted("1", 4)
    editor.tracker.accepted("1")
    editor.tracker.accepted("1")
    editor.tracker.partly_accepted("nobody's", 4)
    counts = await editor.counts()
    assert (counts["partly_accepted"], counts["accepted"], counts["accepted_chars"]) == (1, 1, 5)


@pytest.mark.parametrize(
    ("after", "fate"),
    [("x = a + b\n", "kept"), ("x = 1\n", "gone"), ("x = a + c\n", "mostly_kept")],
)
async def test_what_is_left_after_a_while(editor: Editor, after: str, fate: str) -> None:
    editor.answer(("1", "a + b"))
    editor.tracker.accepted("1")
    editor.tracker.edited(URI, 0, 0, 40)  # counts for the lines below only
    editor.lines = [after]
    editor.pass_time()
    counts = await editor.counts()
    assert {name for name in counts if name in {"kept", "gone", "mostly_kept"}} == {fate}


async def test_a_place_is_followed(editor: Editor) -> None:
    editor.tracker.answered([Item("1", URI, "python", 3, "a + b")], 1.0)
    editor.tracker.accepted("1")
    editor.tracker.edited(URI, 0, 0, 100)
    editor.tracker.edited("file:///other.py", 0, 0, 100)
    editor.lines = ["\n"] * 103 + ["x = a + b\n"]
    editor.pass_time()
    assert (await editor.counts())["kept"] == 1


async def test_a_closed_document_is_judged_as_it_is(editor: Editor) -> None:
    editor.answer(("1", "a + b"))
    editor.tracker.accepted("1")
    editor.tracker.closing(URI)
    assert (await editor.counts())["kept"] == 1


async def test_what_was_accepted_just_now_is_not_judged(editor: Editor) -> None:
    editor.answer(("1", "a + b"))
    editor.tracker.accepted("1")
    assert set(await editor.counts()) == {"shown", "shown_chars", "accepted", "accepted_chars"}


async def test_off_means_nothing_is_counted_or_written(editor: Editor, tmp_path: Path) -> None:
    editor.enabled = False
    editor.answer(("1", "a + b"))
    editor.tracker.shown("1")
    editor.tracker.accepted("1")
    assert await editor.counts() == {}
    assert written(tmp_path) == ""


async def test_turned_off_in_between_nothing_more_is_counted(
    editor: Editor, tmp_path: Path
) -> None:
    editor.answer(("1", "a + b"))
    editor.enabled = False
    editor.tracker.shown("1")
    editor.tracker.partly_accepted("1", 1)
    editor.tracker.accepted("1")
    assert editor.events == {"shown": 1}
    assert await editor.counts() == {}
    assert written(tmp_path) == ""


async def test_what_is_forgotten_does_not_come_back(editor: Editor) -> None:
    editor.answer(("1", "a + b"))
    editor.store.reset()
    await editor.tracker.flush()
    assert editor.store.read() == {}
    editor.answer(("2", "other"))
    assert (await editor.counts())["shown"] == 1


async def test_a_twin_is_not_what_was_accepted(editor: Editor) -> None:
    editor.lines = ["return x\n", "\n", "return x\n"]
    editor.answer(("1", "return x"), line_idx=2)
    editor.tracker.accepted("1")
    editor.lines = ["return x\n", "\n", ""]
    editor.pass_time()
    counts = await editor.counts()
    assert {name for name in counts if name in {"kept", "gone", "mostly_kept"}} == {"gone"}


async def test_nothing_of_the_text_is_written(editor: Editor, tmp_path: Path) -> None:
    editor.answer(("1", "a_very_secret_name"))
    editor.tracker.accepted("1")
    await editor.tracker.aclose()
    assert "accepted" in written(tmp_path)
    assert "secret" not in written(tmp_path)
    assert "a.py" not in written(tmp_path)


async def test_counts_are_written_while_it_runs_and_kept_where_they_cannot_be(
    editor: Editor, tmp_path: Path
) -> None:
    waits: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def sleep(_seconds: float) -> None:
        over = asyncio.Event()
        waits.put_nowait(over)
        await over.wait()

    (tmp_path / "file").touch()
    good, editor.store = editor.store, Store(tmp_path / "file" / "x.jsonl")
    editor.answer(("1", "a"))
    keeping = asyncio.create_task(editor.tracker.keep(sleep))
    (await waits.get()).set()
    second = await waits.get()
    assert good.read() == {}
    editor.store = good
    second.set()
    await waits.get()
    assert good.read()[Key("2026-11-26", "python")].counts["shown"] == 1
    keeping.cancel()


async def test_it_remembers_a_bounded_number(editor: Editor) -> None:
    for idx in range(500):
        editor.answer((str(idx), f"text {idx}"))
        editor.tracker.accepted(str(idx))
    editor.tracker.accepted("1")
    assert len(editor.waiting) == 64
    assert (await editor.counts())["accepted"] == 500
