"""`midfill/chat` and `midfill/edit` over each kind of backend: real servers, real streams."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.lsp.backend.fake_remote import Answer, js
from tests.lsp.chat.servers import CODE, KINDS, PIECES, over

REQUEST_FAILED, CANCELLED = -32803, -32800
METHODS = pytest.mark.parametrize("method", ["midfill/chat", "midfill/edit"])
EVERY = pytest.mark.parametrize("name", list(KINDS))


@EVERY
async def test_answers_stream_and_history_goes_along(name: str, tmp_path: Path) -> None:
    async with over(name, tmp_path) as world:
        world.answers(world.kind.says(*PIECES))
        params = world.chat("/fix", "what is f?", "a function")
        reply = await world.editor.request("midfill/chat", params)
        assert reply["content"] == "".join(PIECES)
        assert reply["blocks"][0]["newText"] == CODE.replace("1", "2")
        assert reply["notes"] == []
        texts = [value["content"] for value in world.partials()]
        assert texts[-1] == reply["content"]
        assert len(texts) >= 2
        assert all(later.startswith(text) for text, later in pairwise(texts))
        (asked,) = world.asked()
        places = [asked.index(text) for text in ("what is f?", "a function", "return 1")]
        assert places == sorted(places)


@EVERY
async def test_edits_stream_whole_lines(name: str, tmp_path: Path) -> None:
    async with over(name, tmp_path) as world:
        world.answers(world.kind.says(*PIECES))
        reply = await world.editor.request("midfill/edit", world.edit())
        (change,) = reply["edit"]["documentChanges"]
        assert change["edits"][0]["newText"] == CODE.replace("1", "2")
        told = [value["newText"] for value in world.partials()]
        assert told
        assert all(CODE.replace("1", "2").startswith(text) for text in told)


@METHODS
@EVERY
async def test_a_cancel_hangs_up(name: str, method: str, tmp_path: Path) -> None:
    async with over(name, tmp_path) as world:
        said = world.kind.says("```\nx\n")
        world.answers(Answer(said.chunks[:1], kind=said.kind, then="hang"))
        msg_id, reply = world.editor.begin(method, world.asks(method))
        while await world.server.came.get() != world.kind.path or not world.asked():
            pass
        world.editor.cancel(msg_id)
        assert (await reply)["error"]["code"] == CANCELLED
        assert await world.server.aborted.get() == world.kind.path


@METHODS
@EVERY
async def test_an_error_is_one_sentence_and_repeats_no_code(
    name: str, method: str, tmp_path: Path
) -> None:
    async with over(name, tmp_path) as world:
        quoted = "" if name == "engine" else f": {CODE!r}"  # ours quotes nothing
        world.answers(js({"error": {"message": f"cannot read that{quoted}"}}, 500))
        error = await world.editor.error(method, world.asks(method))
        assert error["code"] == REQUEST_FAILED
        assert "HTTP 500" in error["message"]
        assert "return 1" not in error["message"]
        assert not world.partials()
        world.server.on(world.kind.path, world.kind.says(*PIECES))
        await world.editor.request(method, world.asks(method))  # the next one is answered


@METHODS
@EVERY
async def test_what_is_too_long_is_asked_again_with_less(
    name: str, method: str, tmp_path: Path
) -> None:
    async with over(name, tmp_path) as world:
        world.editor.open(world.uri, "# a line\n" * 400 + CODE)
        params = world.asks(method)
        if method == "midfill/edit":
            params["range"] = {"start": {"line": 400, "character": 0},
                               "end": {"line": 402, "character": 0}}  # fmt: skip
        world.answers(world.kind.too_long, world.kind.says(*PIECES))
        await world.editor.request(method, params)
        first, second = world.asked()
        assert len(second) < len(first)
        world.server.on(world.kind.path, world.kind.too_long)
        error = await world.editor.error(method, params)
        assert error["code"] == REQUEST_FAILED
        assert "too long" in error["message"]


@METHODS
@EVERY
async def test_an_answer_that_breaks_off_is_an_error(
    name: str, method: str, tmp_path: Path
) -> None:
    async with over(name, tmp_path) as world:
        said = world.kind.says("```\nx\n")
        world.answers(Answer(said.chunks[:1], kind=said.kind))
        error = await world.editor.error(method, world.asks(method))
        assert error["code"] == REQUEST_FAILED
        assert "broke off" in error["message"]
