"""Which message goes where. Handlers are thin: they unpack, call, and pack."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from midfill_lsp.config import wire_name
from midfill_lsp.errors import BackendError
from midfill_lsp.server.rpc import Protocol, told
from midfill_lsp.server.window import Window

logger = logging.getLogger(__name__)

# Not `object`: pygls hands itself to a first parameter whose type it is an instance of.
_RawParams = Mapping[str, Any] | list[Any] | None

_OWN_DOCUMENTS = (
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.TEXT_DOCUMENT_DID_CLOSE,
)


def register(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    """Connect every message that docs/protocol.md section 2 names."""
    for method in _OWN_DOCUMENTS:  # pygls keeps documents of its own; see `document`
        del protocol.fm.builtin_features[method]
    protocol.on_shutdown = window.engine.aclose
    _register_lifecycle(server, protocol, window)
    _register_documents(server, window)
    _register_completion(server, protocol, window)
    _register_commands(server, window)


def _register_lifecycle(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        window.handshake(params.initialization_options, protocol.encoding())

    @server.feature(types.INITIALIZED)
    async def initialized(_params: types.InitializedParams) -> None:
        await _subscribe(server)
        window.configure(await _pull(server))
        window.engine.start_soon()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        pushed = params.settings
        section = pushed.get("midfill") if isinstance(pushed, Mapping) else None
        window.configure(section if section is not None else await _pull(server))


def _register_documents(server: LanguageServer, window: Window) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        window.open(params.text_document)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        window.change(params)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        window.documents.pop(params.text_document.uri, None)


def _register_completion(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(
        params: types.InlineCompletionParams,
    ) -> types.InlineCompletionList:
        return await window.complete(params, str(protocol.msg_id))

    @server.feature("midfill/completion")
    async def completion(params: _RawParams) -> types.InlineCompletionList:
        typed, token = _completion_params(protocol, params)
        on_partial = _progress(protocol, token) if token is not None else None
        return await window.complete(typed, str(protocol.msg_id), on_partial)

    @server.feature("textDocument/didShowCompletion")
    def did_show(_params: _RawParams) -> None:
        window.metrics.events["shown"] += 1

    @server.feature("textDocument/didPartiallyAcceptCompletion")
    def did_partially_accept(_params: _RawParams) -> None:
        window.metrics.events["partly_accepted"] += 1


def _register_commands(server: LanguageServer, window: Window) -> None:
    @server.command("midfill.explain")
    def explain(*_args: object) -> dict[str, object] | None:
        last = window.completer.last
        return {wire_name(key): value for key, value in asdict(last).items()} if last else None

    @server.command("midfill.accepted")
    def accepted(*_args: object) -> None:
        window.metrics.events["accepted"] += 1

    @server.command("midfill.status")
    def status(*_args: object) -> dict[str, object]:
        return {**window.engine.describe(), "metrics": window.metrics.report()}

    @server.command("midfill.restartEngine")
    async def restart_engine(*_args: object) -> dict[str, object]:
        with contextlib.suppress(BackendError):  # shown to the user; the status says it too
            await window.engine.restart()
        return window.engine.describe()


async def _subscribe(server: LanguageServer) -> None:
    """Ask for `didChangeConfiguration` where the editor only sends it when asked."""
    workspace = server.client_capabilities.workspace
    known = workspace.did_change_configuration if workspace else None
    if known is None or not known.dynamic_registration:
        return
    registration = types.Registration(
        id="midfill-configuration",
        method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
        register_options={"section": "midfill"},
    )
    server.client_register_capability(types.RegistrationParams([registration]))


async def _pull(server: LanguageServer) -> object:
    """Return the editor's `midfill` section, None if it has none or does not say."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        return None
    item = types.ConfigurationItem(section="midfill")
    try:
        sections = await server.workspace_configuration_async(types.ConfigurationParams([item]))
    except Exception as error:  # the editor refused, in whatever way it does
        logger.warning("workspace/configuration failed: %s", type(error).__name__)
        return None
    return sections[0] if isinstance(sections, list) and sections else None


def _completion_params(
    protocol: Protocol, params: _RawParams
) -> tuple[types.InlineCompletionParams, str | int | None]:
    """Return the standard part and the token of `midfill/completion`.

    Raises:
        JsonRpcInvalidParams: something is missing or has the wrong type.
    """
    if not isinstance(params, Mapping):
        raise JsonRpcInvalidParams("midfill/completion: params must be an object")
    token = params.get("partialResultToken")
    if token is not None and (not isinstance(token, (str, int)) or isinstance(token, bool)):
        raise JsonRpcInvalidParams("midfill/completion: partialResultToken: text or number")
    try:
        typed = protocol.structure(dict(params), types.InlineCompletionParams)
    except Exception as error:
        raise JsonRpcInvalidParams(f"midfill/completion: {told(error)}") from None
    return typed, token


def _progress(protocol: Protocol, token: str | int) -> Callable[[str], None]:
    def send(text: str) -> None:
        protocol.notify(types.PROGRESS, types.ProgressParams(token, {"insertText": text}))

    return send
