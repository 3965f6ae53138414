"""The subcommands as real processes, with a real language server and an engine without a model."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from midfill_lsp.cli.catalogue import ANNOUNCED, INFILL
from midfill_lsp.cli.editor import Editor
from midfill_lsp.cli.rpc import ServerFailed
from tests.lsp.backend.fake_engine import LAST_EVENT, FakeEngine, Reply, event
from tests.lsp.backend.fake_remote import FakeRemote, chat_chunk, js, sse, token_event
from tests.lsp.cli.command import midfill
from tests.lsp.engine_process.conftest import PROGRAM, Engines, engines

__all__ = ["engines"]

pytestmark = pytest.mark.e2e
NOTHING = Reply([event({**LAST_EVENT, "tokens_predicted": 0})])


@pytest.fixture
def sample(tmp_path: Path) -> str:
    path = tmp_path / "add.py"
    path.write_text("# 🙂\ndef add(a, b):\n    return \n", encoding="utf-8")
    return str(path)


async def test_complete(engine: FakeEngine, sample: str) -> None:
    place = ["--line", "2", "--character", "11"]
    done = await midfill("complete", sample, *place, "--engine-url", engine.url)
    assert (done.status, done.out, done.err) == (0, "a + b\n", "")
    (request,) = (request for request in engine.requests if request.path == "/infill")
    assert request.body["input_prefix"].endswith("def add(a, b):\n    return ")


async def test_complete_as_json(engine: FakeEngine, sample: str) -> None:
    place = ["--line", "2", "--character", "11"]
    done = await midfill("complete", sample, *place, "--json", "--engine-url", engine.url)
    reply = json.loads(done.out)
    assert reply["items"][0]["insertText"] == "a + b"
    assert reply["explain"]["generatedTokens"] == 4


async def test_complete_nothing(engine: FakeEngine, sample: str) -> None:
    engine.replies["/infill"] = NOTHING
    place = ["--line", "2", "--character", "11"]
    done = await midfill("complete", sample, *place, "--engine-url", engine.url)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("midfill: no completion here: ")


async def test_complete_finds_files_beside_itself(
    engine: FakeEngine, sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The language server runs in another folder, and looked for them there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "midfill.toml").write_text(f"[engine]\nurl = '{engine.url}'\n")
    place = ["--line", "2", "--character", "11", "--api-key-file", "key"]
    here = {"MIDFILL_CONFIG_DIR": ".", "MIDFILL_API_KEY": "wrong"}
    done = await midfill("complete", sample, *place, **here)
    assert (done.status, done.out, done.err) == (0, "a + b\n", "")


async def test_complete_with_suggestions_off(
    engine: FakeEngine, sample: str, tmp_path: Path
) -> None:
    """It waited for an engine that nobody starts."""
    (tmp_path / "midfill.toml").write_text("[completion]\nenabled = false\n")
    place = ["--line", "2", "--character", "11", "--engine-url", engine.url]
    done = await midfill("complete", sample, *place, MIDFILL_CONFIG_DIR=str(tmp_path))
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("midfill: no completion here: ")
    assert "off" in done.err


@pytest.mark.parametrize("command", ["complete", "demo"])
async def test_what_is_wrong_with_the_settings_is_told(
    engine: FakeEngine, sample: str, tmp_path: Path, command: str
) -> None:
    """They went on without a word, where chat and models warned."""
    (tmp_path / "midfill.toml").write_text("[completion\n")
    place = [sample, "--line", "2", "--character", "11"] if command == "complete" else []
    words = [command, *place, "--engine-url", engine.url]
    done = await midfill(*words, MIDFILL_CONFIG_DIR=str(tmp_path))
    assert done.status == 0
    assert done.err.startswith(f"midfill: warning: {tmp_path}/midfill.toml:1: this is not TOML")
    assert done.err.count("\n") == 1


async def test_complete_with_an_engine_that_fails_to_start(sample: str) -> None:
    command = f"{sys.executable} {PROGRAM} --fail 'no such model'"
    place = ["--line", "2", "--character", "11"]
    done = await midfill("complete", sample, *place, "--engine-command", command)
    assert (done.status, done.out) == (1, "")
    assert done.err == "midfill: error: no such model\n"


async def test_demo(engine: FakeEngine) -> None:
    engine.hangs_on = "def main():\n    "  # what it cancels: a quick engine was there before
    done = await midfill("demo", "--engine-url", engine.url)
    assert done.status == 0, done
    assert "a + b" in done.out
    assert "by the cache, without the engine" in done.out
    assert "answered as cancelled" in done.out
    assert "\x1b" not in done.out


async def test_demo_without_suggestions(engine: FakeEngine) -> None:
    engine.replies["/infill"] = NOTHING
    done = await midfill("demo", "--engine-url", engine.url)
    assert done.status == 1
    assert "Nothing was suggested" in done.out


async def test_demo_starts_and_leaves_an_engine(engines: Engines) -> None:
    done = await midfill("demo", "--engine-command", engines.command_line())
    assert done.status == 0, done
    assert len(engines.pids()) == 1


async def test_chat(engine: FakeEngine) -> None:
    done = await midfill("chat", "--engine-url", engine.url, stdin="Hello\n\nAgain\n/new\nMore\n")
    assert (done.status, done.out) == (0, "Hello you\n" * 3)
    sent = [r.body["messages"] for r in engine.requests if r.path == "/v1/chat/completions"]
    assert [[message["content"] for message in messages] for messages in sent] == [
        ["Hello"],
        ["Hello", "Hello you", "Again"],
        ["More"],
    ]


async def test_chat_counts_lines_as_editors_do(engine: FakeEngine, tmp_path: Path) -> None:
    """A form feed, which GNU's sources have between functions, ended a line."""
    path = tmp_path / "a.c"
    path.write_text("one();\n\f\ntwo();\u2028\x0b\x85\nthree();\n", encoding="utf-8")
    options = ["--engine-url", engine.url, "--file", str(path), "--select", "4:4"]
    done = await midfill("chat", *options, "-c", "/explain")
    assert (done.status, done.out) == (0, "Hello you\n")
    (sent,) = [r.body["messages"] for r in engine.requests if r.path == "/v1/chat/completions"]
    assert "a.c`, lines 4 to 4:\n\n```c\nthree();\n```" in sent[0]["content"]


async def test_chat_about_lines_of_a_file(engine: FakeEngine, sample: str) -> None:
    options = ["--engine-url", engine.url, "--file", sample, "--select", "2:3", "-c", "/explain"]
    done = await midfill("chat", *options)
    assert (done.status, done.out) == (0, "Hello you\n")
    (sent,) = [r.body["messages"] for r in engine.requests if r.path == "/v1/chat/completions"]
    assert (
        "add.py`, lines 2 to 3:\n\n```python\ndef add(a, b):\n    return \n```"
        in (sent[0]["content"])
    )
    for wrong, told in (
        (["--select", "2:9"], "two lines A:B of 1 to 3"),
        (["--file", "no.py"], "no.py cannot be read"),
        (["-c", "/fox"], "no command /fox"),
    ):
        done = await midfill("chat", *options, *wrong)
        assert done.status != 0
        assert told in done.err


async def test_chat_goes_on_after_an_error(engine: FakeEngine) -> None:
    engine.replies["/v1/chat/completions"] = Reply([b'{"error": "too loud"}'], 422)
    done = await midfill("chat", "--engine-url", engine.url, stdin="Hello\nAgain\n")
    assert done.status == 1
    assert done.err.count("midfill: error: ") == 2
    assert "too loud" in done.err


async def test_models(engine: FakeEngine) -> None:
    done = await midfill("models", "--engine-url", engine.url)
    assert done.status == 0
    assert "starter" in done.out
    assert "fake" in done.out
    lines = {line.split()[0]: line for line in done.out.splitlines() if "/" in line.split("  ")[0]}
    assert len(ANNOUNCED) == 12
    assert set(lines) == {model.model_id for model in (*ANNOUNCED, *INFILL)}
    assert "infill" in lines["codellama/CodeLlama-13b-hf"]
    assert "context  4,096" in lines["codellama/CodeLlama-13b-hf"]
    assert "26.0 GB" in lines["codellama/CodeLlama-13b-hf"]
    assert "terms must be accepted" in lines["meta-llama/Llama-2-70b-chat-hf"]
    done = await midfill("models", "--json", "--engine-url", engine.url)
    catalogue = json.loads(done.out)
    assert {"Qwen/Qwen2.5-Coder-1.5B"} < {model["model_id"] for model in catalogue["infill"]}
    told = catalogue["announced"]
    assert len(told) == 12
    assert [model["context"] for model in told].count(32768) == 2
    assert {"model_id", "context", "use", "licence", "gigabytes"} <= set(told[0])


async def test_doctor(engine: FakeEngine, tmp_path: Path) -> None:
    found = await midfill("doctor", "--json", "--engine-url", engine.url, HF_TOKEN="hf_hidden")
    assert found.status == 0, found
    assert "hf_hidden" not in found.out
    assert "secret" not in found.out
    states = {finding["name"]: finding for finding in json.loads(found.out)["findings"]}
    assert states["engine"]["state"] == "ok"
    assert states["token"]["found"] == "present in HF_TOKEN"
    assert {"midfill", "python", "torch", "state folder", "model", "device", "attention"} <= set(
        states
    )


async def test_doctor_with_an_engine_that_says_why_it_ended() -> None:
    command = f"{sys.executable} {PROGRAM} --fail 'no such model; take another'"
    found = await midfill("doctor", "--json", "--engine-command", command)
    (told,) = [one for one in json.loads(found.out)["findings"] if one["name"] == "engine"]
    assert (told["found"], told["remedy"]) == ("no such model; take another", None)


async def test_doctor_with_a_wrong_key(engine: FakeEngine) -> None:
    found = await midfill("doctor", "--engine-url", engine.url, MIDFILL_API_KEY="wrong")
    assert found.status == 1
    assert "refused the key" in found.out
    assert "Broken: engine." in found.out


async def test_editor_tells_why_the_server_ended() -> None:
    with pytest.raises(ServerFailed, match="unrecognized arguments: --nonsense"):
        async with Editor(["--nonsense"]):
            pass


async def test_commands_with_a_remote_server(sample: str) -> None:
    model = "codellama/CodeLlama-7b-hf"
    async with FakeRemote() as fake:
        written = sse(token_event("a"), token_event(" + b"), token_event(" <EOT>", "eos_token"))
        fake.on("/", sse(token_event("x", "length")), written)
        fake.on("/info", js({"model_id": model, "max_total_tokens": 4096}))
        fake.on("/v1/chat/completions", sse(chat_chunk("Hi", "stop")))
        there = ["--backend", "tgi", "--backend-url", fake.url]
        place = ["--line", "2", "--character", "11"]
        done = await midfill("complete", sample, *place, *there)
        assert (done.status, done.out, done.err) == (0, "a + b\n", "")
        said = await midfill("chat", *there, stdin="Hello\n")
        assert (said.status, said.out) == (0, "Hi\n")
        found = await midfill("doctor", "--json", *there, HTTPS_PROXY="http://user:hidden@x")
        assert found.status == 0, found
        assert "hidden" not in found.out
        findings = {one["name"]: one for one in json.loads(found.out)["findings"]}
        assert "infill by text prompt (codellama)" in findings["infill"]["found"]
        assert findings["chat"]["found"] == "by messages"
        assert findings["proxy"]["found"] == "set by HTTPS_PROXY"
        assert "engine" not in findings
        listed = await midfill("models", *there)
        assert listed.out.startswith(f"{model}    in use: infill by text prompt")


async def test_doctor_with_a_remote_server_that_refuses() -> None:
    async with FakeRemote() as fake:
        fake.on("/", js({"error": "Invalid token"}, 401))
        there = ["--backend", "tgi", "--backend-url", fake.url]
        found = await midfill("doctor", *there)
        assert found.status == 1
        assert "wants a key (HTTP 401: Invalid token)" in found.out
        assert "Broken: backend." in found.out
    found = await midfill("doctor", "--backend", "tgi", "--backend-url", "nowhere")
    assert "is not a URL" in found.out


async def test_models_recommends_from_what_the_engine_measures(tmp_path: Path) -> None:
    """The engine's program stands in here; `test_measure` reads what the real one says."""
    speed = {"weight_bytes": 1.0625, "bytes_per_s": 3e10, "layer_s": 3e-5, "error": 0.04}
    device = {"device": "cpu", "kernels": "a test", "dtype": "int8", **speed}
    measured: dict[str, object] = {"devices": [{**device, "prompt_weights_per_s": 7e10}]}
    measured |= {"gpus": [], "threads": 2, "measured_s": 3.1}
    program = tmp_path / "engine.py"
    program.write_text(
        f"import sys; assert sys.argv[1:] == ['measure']; print({json.dumps(measured)!r})"
    )
    words = ["models", "recommend", "--engine-command", shlex.join([sys.executable, str(program)])]
    done = await midfill(*words)
    assert (done.status, done.err) == (0, "")
    assert "free memory" in done.out
    assert "int8 weights read at 30 GB/s" in done.out
    assert "recommended: Qwen/Qwen2.5-Coder-0.5B" in done.out
    assert "chat by a server" in done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pull"], "takes an ID"),
        (["use"], "takes an ID"),
        (["recommend", "a/b"], "takes no ID"),
        (["list", "a/b"], "takes no ID"),
    ],
)
async def test_models_wants_an_id_where_it_does_something_with_one(
    words: list[str], told: str
) -> None:
    done = await midfill("models", *words)
    assert (done.status, done.out) == (2, "")
    assert told in done.err
