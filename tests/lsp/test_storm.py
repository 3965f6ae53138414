"""Hundreds of requests, changes and cancels in any order: exactly one reply to each request."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.client import LspClient
from tests.lsp.conftest import StartServer
from tests.lsp.test_server import CODE, URI, at, ready

pytestmark = pytest.mark.e2e

NUM_MESSAGES = 600
CANCELLED, INVALID_PARAMS, UNKNOWN_METHOD = -32800, -32602, -32601


def request(rng: random.Random, version: int) -> tuple[str, object]:
    token = f"ghost {version}"
    return rng.choice(
        [
            ("textDocument/inlineCompletion", at(1, 11, rng.choice([1, 2]))),
            ("textDocument/inlineCompletion", at(rng.randrange(9), rng.randrange(99), 2)),
            ("midfill/completion", {**at(1, 11, rng.choice([1, 2])), "partialResultToken": token}),
            ("midfill/chat", {"messages": [{"role": "user", "content": "x"}]}),
            ("workspace/executeCommand", {"command": "midfill.status"}),
            ("workspace/executeCommand", {"command": "midfill.explain"}),
            ("textDocument/inlineCompletion", {"textDocument": {"uri": URI}}),
            ("midfill/unknown", {}),
        ]
    )


async def change(client: LspClient, rng: random.Random, version: int) -> None:
    uri = rng.choice([URI, URI, "file:///never-opened.py"])
    document: dict[str, Any] = {"uri": uri, "version": version}
    if rng.random() < 0.1:
        await client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        await client.open(URI, CODE)
        return
    place = {"line": 1, "character": 11}
    changes = [{"range": {"start": place, "end": place}, "text": rng.choice(["a", ""])}]
    params = {"textDocument": document, "contentChanges": changes}
    await client.notify("textDocument/didChange", params)


@pytest.mark.parametrize("seed", range(2))
async def test_a_storm_of_everything(start_server: StartServer, seed: int) -> None:
    rng = random.Random(seed)
    async with start_server(deltas=["a ", "+ b"], gated=True) as fake:
        client = fake.client
        await ready(client)
        asked: dict[int, str] = {}
        tokens: dict[str, int] = {}
        for version in range(2, NUM_MESSAGES):
            dice = rng.random()
            if dice < 0.4:
                method, params = request(rng, version)
                msg_id = await client.begin(method, params)
                asked[msg_id] = method
                tokens[f"ghost {version}"] = msg_id
            elif dice < 0.7:
                await change(client, rng, version)
            else:
                anybody = rng.choice([*list(asked)[-3:], *list(asked), 10**6, "no such id"])
                await client.notify("$/cancelRequest", {"id": anybody})
            if version == NUM_MESSAGES // 2:
                await fake.open_gates()
        assert await client.shut_down() == 0
        check_replies(client, asked)
        check_progress(client, tokens)
        assert client.received[-1].get("id") == max(asked) + 1, "the shutdown's is the last word"


def check_replies(client: LspClient, asked: dict[int, str]) -> None:
    for msg_id, method in asked.items():
        (reply,) = client.replies(msg_id)
        code = reply.get("error", {}).get("code")
        if method == "midfill/unknown":
            assert code == UNKNOWN_METHOD
        else:
            assert code in {None, CANCELLED, INVALID_PARAMS}, reply
    answered = [item["id"] for item in client.received if "method" not in item]
    assert len(answered) == len(set(answered))


def check_progress(client: LspClient, tokens: dict[str, int]) -> None:
    ended: set[int] = set()
    for message in client.received:
        if message.get("method") == "$/progress":
            assert tokens[message["params"]["token"]] not in ended, "text after the reply"
        elif "method" not in message:
            ended.add(message["id"])
