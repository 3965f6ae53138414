"""Planted secrets never leave: every source, local and remote backends, the bytes on the wire."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from midfill_lsp.backend.base import Backend
from midfill_lsp.backend.infill import InfillBackend
from midfill_lsp.config import BackendConfig, BackendKind, Config, ContextConfig
from midfill_lsp.engine_process.endpoint import FixedEngine
from tests.lsp.backend.fake_engine import LAST_EVENT, FakeEngine
from tests.lsp.backend.fake_remote import FakeRemote, js, sse
from tests.lsp.backend.remotes import remote
from tests.lsp.context.editor import Editor, Recorder, editing

TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
ORDINARY_BUFFER, ORDINARY_SIGNATURE = "compute_total_of_buffer", "compute_total_of_import"
MAIN = f"""from helper import {ORDINARY_SIGNATURE}
from ignored import compute_total_ignored
from link import compute_total_linked
password = "kanari-in-current"
token = "{TOKEN}"


def total(items):
    value = {ORDINARY_SIGNATURE}(items) + {ORDINARY_BUFFER}(items)
    return █
"""
FILES = {
    "src/helper.py": f"def {ORDINARY_SIGNATURE}(items, password='kanari-in-import'):\n    pass\n",
    "src/ignored.py": "def compute_total_ignored(kanari_in_ignored):\n    pass\n",
    ".gitignore": "ignored.py\n",
    ".env": "kanari_in_env=1\n",
    "../outside.py": "def compute_total_linked(kanari_in_outside):\n    pass\n",
}
BUFFERS = {
    "src/other.py": f"def {ORDINARY_BUFFER}(items):\n    password = 'kanari-in-buffer'\n"
    f"    return {ORDINARY_SIGNATURE}(items)\n",
    "src/ignored.py": f"{ORDINARY_BUFFER} = {ORDINARY_SIGNATURE} + kanari_in_ignored\n",
    ".env": f"{ORDINARY_BUFFER} = {ORDINARY_SIGNATURE}(kanari_in_env)\n",
    "../outside.py": f"{ORDINARY_BUFFER} = {ORDINARY_SIGNATURE}(kanari_in_outside)\n",
    "src/link.py": f"{ORDINARY_BUFFER} = {ORDINARY_SIGNATURE}(kanari_in_link)\n",
}
CANARIES = [b"kanari", TOKEN.encode(), TOKEN[4:20].encode()]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a workspace with a secret in every place."""
    root = tmp_path / "work"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (root / "src/link.py").symlink_to(tmp_path / "outside.py")
    return root


@asynccontextmanager
async def wired(kind: BackendKind) -> AsyncGenerator[tuple[Backend, Recorder]]:
    """Yield a backend and what is sent to its server."""
    async with FakeEngine(key=None) as engine, FakeRemote() as fake:
        fake.on("/infill", js({**LAST_EVENT, "content": "x"}), sse({"content": "1"}, LAST_EVENT))
        fake.on("/props", js({"model_path": "qwen.gguf"}))
        fake.on("/v1/models", js({"data": [{"id": "qwen2.5-coder"}]}))
        done = {"choices": [{"index": 0, "text": "1", "finish_reason": "stop"}]}
        fake.on("/v1/completions", js({**done, "usage": {"prompt_tokens": 2}}))
        server = engine.url if kind == "engine" else fake.url
        async with Recorder(urlsplit(server).port or 0) as recorder:
            if kind == "engine":
                yield InfillBackend(FixedEngine(recorder.url)), recorder
            else:
                family = "qwen" if kind == "openai" else "auto"
                yield remote(kind, recorder.url, fim_family=family), recorder


def open_all(editor: Editor, top: Path) -> str:
    """Open every buffer, edit one, and return the URI of the document at hand."""
    for name, text in BUFFERS.items():
        editor.open(f"file://{top}/{name}", text)
    editor.insert(f"file://{top}/src/other.py", 1, "    api_key = 'kanari-in-edit'\n")
    return editor.open(top / "src/main.py", MAIN)


# The settings decide on trust; the bytes go to this machine in any case.
HERE = Config(context=ContextConfig(send="always", budget_ms=1000))
THERE = BackendConfig(kind="llamacpp", url="http://models.example")


@pytest.mark.parametrize("kind", ["engine", "llamacpp", "openai"])
@pytest.mark.parametrize(
    ("config", "sees_others"),
    [
        (HERE, True),
        (Config(backend=THERE, context=ContextConfig(send="always", budget_ms=1000)), False),
        (
            Config(
                backend=THERE,
                context=ContextConfig(send="always", budget_ms=1000, remote="workspace"),
            ),
            True,
        ),
    ],
)
async def test_no_canary_in_any_request(
    top: Path, kind: BackendKind, config: Config, sees_others: bool
) -> None:
    async with wired(kind) as (backend, recorder), editing([top], backend, config) as editor:
        told = await editor.complete(open_all(editor, top))
        sent = bytes(recorder.sent)
        assert told.outcome in ("shown", "empty")
        assert told.context is not None
        assert b'password = \\"xxxxxxxxxxxxxxxxx\\"' in sent  # of the document at hand
        for canary in CANARIES:
            assert canary not in sent
        is_there = [name.encode() + b"(items" in sent.split(b"def total")[0] for name in
                    (ORDINARY_BUFFER, f"def {ORDINARY_SIGNATURE}")]  # fmt: skip
        assert is_there == [sees_others, sees_others]
        sources = set(told.context.sources)
        assert sources == ({"definition", "edit"} if sees_others else set())
        assert told.context.masked_lines >= (4 if sees_others else 2)
        assert not told.context.failures


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        (".env", HERE, ".env looks like a file of secrets; context.secretFiles"),
        (".env", Config(backend=THERE, context=ContextConfig(secret_files=True)), "secrets"),
        ("src/ignored.py", HERE, ".gitignore leaves src/ignored.py out; context.allow"),
        ("src/main.py", Config(context=ContextConfig(deny=("src/",))), "matches context.deny"),
        ("../outside.py", Config(backend=THERE), "outside of the workspace"),
        ("src/link.py", Config(backend=THERE), "outside of the workspace"),
        ("src/main.py", Config(backend=THERE, context=ContextConfig(remote="none")), "is none"),
    ],
)
async def test_a_document_that_does_not_pass_is_not_asked_for(
    top: Path, name: str, config: Config, reason: str
) -> None:
    async with wired("engine") as (backend, recorder), editing([top], backend, config) as editor:
        uri = editor.open(f"file://{top}/{name}", "kanari = █\n")
        told = await editor.complete(uri)
        assert (told.outcome, told.skip) == ("skipped", "private")
        assert told.detail is not None
        assert reason in told.detail
        assert b"kanari" not in recorder.sent
        assert b"infill" not in recorder.sent


async def test_secret_files_go_to_this_machine_if_told(top: Path) -> None:
    config = Config(context=ContextConfig(secret_files=True))
    async with wired("engine") as (backend, recorder), editing([top], backend, config) as editor:
        uri = editor.open(f"file://{top}/.env", "DEBUG=1\nDB_PASSWORD=kanari-12\nHOST=█\n")
        assert (await editor.complete(uri)).outcome == "shown"
        assert b"DB_PASSWORD=xxxxxxxxx" in recorder.sent
        assert b"kanari" not in recorder.sent


async def test_the_draft_and_the_path_are_no_way_out(top: Path) -> None:
    config = Config(backend=THERE)
    async with wired("engine") as (backend, recorder), editing([top], backend, config) as editor:
        clearance = editor.surroundings.clearance
        uri = editor.open(top / "src/main.py", "x = \n")
        document = editor.documents[uri]
        draft = f"'{TOKEN}'"
        cleared = await clearance.clear(document, 0, "x = ", "\n", draft)
        assert cleared.draft == f"'{'x' * len(TOKEN)}'"
        assert top.name not in cleared.session  # no path of this machine goes elsewhere
        assert recorder.sent == b""
        editor.config = HERE
        here = await clearance.clear(document, 0, "x = ", "\n", draft)
        assert here.session == uri


async def test_a_backend_that_changes_on_the_way_gets_nothing(top: Path) -> None:
    async with wired("engine") as (backend, recorder), editing([top], backend, HERE) as editor:
        uri = open_all(editor, top)
        real = editor.surroundings.clearance.clear

        async def slow(*args: object) -> object:
            cleared = await real(*args)  # type: ignore[arg-type]
            editor.config = Config(backend=THERE)
            return cleared

        editor.surroundings.clearance.clear = slow  # type: ignore[method-assign, assignment]
        told = await editor.complete(uri)
        assert told.outcome == "skipped"
        assert b"infill" not in recorder.sent
