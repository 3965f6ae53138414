"""What goes wrong: malformed messages, settings, the engine, the way out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.client import LspClient, Refusal
from tests.lsp.conftest import StartServer
from tests.lsp.test_server import CODE, URI, at, ready

pytestmark = pytest.mark.e2e

INVALID_PARAMS, INVALID_REQUEST, UNKNOWN_METHOD, PARSE_ERROR = -32602, -32600, -32601, -32700
NOT_INITIALIZED = -32002


async def test_malformed_requests_get_one_error_each(start_server: StartServer) -> None:
    async with start_server(deltas=["x"]) as fake:
        await ready(fake.client)
        good = at(1, 11)
        wrong: list[tuple[str, object]] = []
        for method in ("textDocument/inlineCompletion", "midfill/completion"):
            wrong += [
                (method, None),
                (method, []),
                (method, "text"),
                (method, {}),
                (method, {**good, "position": {"line": "one", "character": 0}}),
                (method, {**good, "position": {"line": 1}}),
                (method, {**good, "textDocument": None}),
                (method, {**good, "context": {"triggerKind": 99}}),
            ]
        wrong += [
            ("midfill/completion", {**good, "partialResultToken": {}}),
            ("workspace/executeCommand", {"command": "midfill.unknown"}),
            ("workspace/executeCommand", {}),
        ]
        for method, params in wrong:
            error = await fake.client.error(method, params)
            assert error["code"] == INVALID_PARAMS, (method, params, error)
        assert (await fake.client.error("midfill/unknown", {}))["code"] == UNKNOWN_METHOD
        result = await fake.client.request("textDocument/inlineCompletion", good)
        assert result["items"], "the server lives on"
        assert await fake.client.shut_down() == 0
        ids = [message["id"] for message in fake.client.received if "method" not in message]
        assert len(ids) == len(set(ids))


async def test_what_is_no_message_is_answered_too(start_server: StartServer) -> None:
    async with start_server(deltas=["x"]) as fake:
        client = fake.client
        await client.send_body(b"{nonsense")
        reply = await client.reply(None)
        assert reply["error"]["code"] == PARSE_ERROR
        assert "id" in reply  # null, where the request's is not known
        for body in (b"[]", b"3", b"{}", b'{"jsonrpc":"2.0","id":[1],"method":"x"}'):
            client.received.clear()
            await client.send_body(body)
            if body == b"{}":
                continue
            assert (await client.reply(None))["error"]["code"] == INVALID_REQUEST
        error = await client.error("textDocument/inlineCompletion", at(0, 0))
        assert error["code"] == NOT_INITIALIZED
        await client.initialize()
        assert (await client.error("initialize", {"capabilities": {}}))["code"] == INVALID_REQUEST
        await client.notify("textDocument/didOpen", {"textDocument": 1})
        await client.notify("midfill/unknown", {"x": 1})
        await client.notify("$/cancelRequest", {"id": 12345})
        await client.notify("$/cancelRequest", None)
        await client.send({"id": "stray", "result": 1})
        await client.request("shutdown")
        assert (await client.error("shutdown"))["code"] == INVALID_REQUEST
        await client.notify("exit")
        assert await client.exit_status() == 0


@pytest.mark.parametrize("how", ["exit", "hang up", "hang up after shutdown"])
async def test_exit_status(start_server: StartServer, how: str) -> None:
    async with start_server(deltas=["x"]) as fake:
        await ready(fake.client)
        if how == "exit":
            await fake.client.notify("exit")
        if how == "hang up after shutdown":
            await fake.client.request("shutdown")
        if how != "exit":
            fake.client.close_stdin()
        assert await fake.client.exit_status() == (0 if "after" in how else 1)
        await fake.event("closed")


def messages(client: LspClient) -> list[str]:
    return [params["message"] for params in client.notifications("window/showMessage")]


async def status(client: LspClient) -> dict[str, Any]:
    result: dict[str, Any] = await client.request(
        "workspace/executeCommand", {"command": "midfill.status"}
    )
    return result


async def test_settings_are_pulled_and_errors_told_once(start_server: StartServer) -> None:
    async with start_server(deltas=["x"]) as fake:
        section: dict[str, object] = {"completion": {"debounceMs": "soon", "mode": None}, "foo": 1}
        fake.client.answers["workspace/configuration"] = lambda _params: [section]
        await fake.client.initialize(capabilities={"workspace": {"configuration": True}})
        await fake.client.wait_for(lambda item: item.get("method") == "window/showMessage")
        (text,) = messages(fake.client)
        assert "midfill.completion.debounceMs" in text
        assert "midfill.foo" in text
        for _ in range(3):  # what was told is not told again
            await fake.client.notify("workspace/didChangeConfiguration", {"settings": None})
        section["completion"] = {"enabled": False, "mode": "word"}
        await fake.client.notify("workspace/didChangeConfiguration", {"settings": None})
        await fake.client.wait_for(lambda _item: len(messages(fake.client)) > 1)
        assert "midfill.completion.mode" in messages(fake.client)[1]
        assert "midfill.foo" not in messages(fake.client)[1]
        assert len(messages(fake.client)) == 2
        assert (await status(fake.client))["state"] == "off"


async def test_settings_of_the_handshake_and_pushed_ones(start_server: StartServer) -> None:
    async with start_server(deltas=["x"]) as fake:
        options = {"midfill": {"completion": {"enabled": False}, "statusNotifications": True}}
        await fake.client.initialize(options)
        await fake.client.open(URI, CODE)
        empty = await fake.client.request("textDocument/inlineCompletion", at(1, 11))
        assert empty == {"items": []}
        assert (await status(fake.client))["state"] == "off"
        await fake.client.notify(
            "workspace/didChangeConfiguration",
            {"settings": {"midfill": {"completion": {"enabled": True}}}},
        )
        result = await fake.client.request("textDocument/inlineCompletion", at(1, 11))
        assert result["items"]
        states = [item["state"] for item in fake.client.notifications("midfill/status")]
        assert states[0] == "off"
        assert states[-2:] == ["thinking", "ready"]


async def test_another_engine_by_settings(start_server: StartServer) -> None:
    async with start_server(deltas=["x"]) as fake:
        await ready(fake.client)
        assert (await fake.event("made"))["model"] == "starter"
        await fake.client.notify(
            "workspace/didChangeConfiguration",
            {"settings": {"midfill": {"engine": {"model": "other"}}}},
        )
        assert (await fake.event("made"))["model"] == "other"
        await fake.event("closed")
        result = await fake.client.request("textDocument/inlineCompletion", at(1, 11))
        assert result["items"]


async def test_a_failed_start_is_told_once_and_the_server_lives_on(
    start_server: StartServer,
) -> None:
    async with start_server(
        infill_error="no model at /x; see --model", start_error="no model"
    ) as fake:
        await ready(fake.client)
        await fake.client.wait_for(lambda item: item.get("method") == "window/showMessage")
        for trigger in (1, 1, 2, 2):  # invoked ones ask again, automatic ones wait
            result = await fake.client.request("textDocument/inlineCompletion", at(1, 11, trigger))
            assert result == {"items": []}
        assert messages(fake.client) == ["Midfill: no model"]
        told = await status(fake.client)
        assert told["state"] == "error"
        assert told["metrics"]["outcomes"] == {"error": 4}
        last = await fake.client.request("workspace/executeCommand", {"command": "midfill.explain"})
        assert last["detail"].startswith("not tried again yet: no model at /x")
        assert await fake.client.shut_down() == 0


async def test_the_status_names_the_kind_of_error(start_server: StartServer) -> None:
    async with start_server(start_error="no model") as fake:
        await fake.client.initialize({"midfill": {"statusNotifications": True}})
        failed = await fake.client.wait_for(
            lambda item: (
                item.get("method") == "midfill/status" and item["params"]["state"] == "error"
            )
        )
        assert failed["params"]["cause"] == "EngineStartError"
        assert (await status(fake.client))["cause"] == "EngineStartError"
        causes = {item["cause"] for item in fake.client.notifications("midfill/status")}
        assert causes == {None, "EngineStartError"}


async def test_progress_while_the_engine_starts(start_server: StartServer) -> None:
    async with start_server(deltas=["x"], start_gated=True) as fake:
        options = {"midfill": {"statusNotifications": True}}
        await fake.client.initialize(options, capabilities={"window": {"workDoneProgress": True}})
        begun = await fake.client.wait_for(lambda item: item.get("method") == "$/progress")
        assert begun["params"]["value"]["kind"] == "begin"
        assert (await status(fake.client))["state"] == "starting"
        await fake.open_gates()
        await fake.client.wait_for(
            lambda item: (
                item.get("method") == "$/progress" and item["params"]["value"]["kind"] == "end"
            )
        )
        told = await status(fake.client)
        assert told["state"] == "ready"
        assert (told["backend"], told["model"]) == ("fake", "fake-model")
        assert told["engine"] == {
            "url": "http://127.0.0.1:1",
            "pid": 1,
            "version": None,
            "note": None,
        }
        states = [item["state"] for item in fake.client.notifications("midfill/status")]
        assert states == ["starting", "ready"]


async def test_commands_and_events(start_server: StartServer) -> None:
    async with start_server(deltas=["a + b"]) as fake:
        await ready(fake.client)
        client = fake.client

        async def command(name: str, *arguments: object) -> Any:  # noqa: ANN401
            params = {"command": name, "arguments": list(arguments)}
            return await client.request("workspace/executeCommand", params)

        assert await command("midfill.explain") is None
        item = (await client.request("textDocument/inlineCompletion", at(1, 11)))["items"][0]
        await client.notify("textDocument/didShowCompletion", {"item": item})
        await client.notify(
            "textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 1}
        )
        await command(item["command"]["command"], *item["command"]["arguments"])
        explanation = await command("midfill.explain")
        assert explanation["outcome"] == "shown"
        assert explanation["shownChars"] == 5
        assert "a + b" not in str(explanation)
        events = (await status(client))["metrics"]["events"]
        assert events == {"shown": 1, "partly_accepted": 1, "accepted": 1}
        assert (await command("midfill.restartEngine"))["state"] == "ready"


async def test_chat_streams_and_its_errors_are_told(start_server: StartServer) -> None:
    async with start_server(deltas=["Hel", "lo"]) as fake:
        await fake.client.initialize()
        messages_sent = [{"role": "user", "content": "hi"}]
        answer = await fake.client.request(
            "midfill/chat", {"messages": messages_sent, "partialResultToken": 7}
        )
        assert answer == {"content": "Hello", "blocks": [], "notes": []}
        shown = fake.client.notifications("$/progress")
        assert [item["value"] for item in shown] == [{"content": "Hel"}, {"content": "Hello"}]
        wrong: list[object] = [None, {}, {"messages": []}, {"messages": [{"role": "x"}]}]
        for params in wrong:
            assert (await fake.client.error("midfill/chat", params))["code"] == INVALID_PARAMS
    async with start_server(infill_error="no model at /x") as fake:
        await fake.client.initialize()
        error = await fake.client.error("midfill/chat", {"messages": messages_sent})
        assert (error["code"], error["message"]) == (-32803, "no model at /x")


async def test_settings_stay_where_the_editor_refuses_to_say(start_server: StartServer) -> None:
    async with start_server(deltas=["x"]) as fake:
        answers: list[object] = [[{"completion": {"enabled": False}}]]
        refused = asyncio.Event()

        def answer(_params: object) -> object:
            if not answers:
                refused.set()
                raise Refusal("no settings today")
            return answers.pop()

        fake.client.answers["workspace/configuration"] = answer
        options = {"midfill": {"statusNotifications": True}}
        pulls = {"workspace": {"configuration": True}}
        await fake.client.initialize(options, capabilities=pulls)
        await fake.client.wait_for(
            lambda item: item.get("method") == "midfill/status" and item["params"]["state"] == "off"
        )
        await fake.client.notify("workspace/didChangeConfiguration", {"settings": None})
        await refused.wait()
        for _ in range(3):  # by then the refusal has been taken in
            assert (await status(fake.client))["state"] == "off"
