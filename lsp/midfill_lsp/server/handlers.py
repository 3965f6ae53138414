"""Which message goes where. Handlers are thin: they unpack, call, and pack."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from midfill_lsp.errors import BackendError
from midfill_lsp.server import chat, completion, events, ordinary
from midfill_lsp.server.live_settings import folders_of, registrations
from midfill_lsp.server.raw import RawParams, members
from midfill_lsp.server.rpc import Protocol
from midfill_lsp.server.surroundings import SOURCE_FILES
from midfill_lsp.server.window import Window
from midfill_lsp.settings.settle import known_settings

logger = logging.getLogger(__name__)


def register(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    """Connect every message that docs/protocol.md section 2 names."""
    protocol.own_documents()
    protocol.on_shutdown = window.aclose
    protocol.on_unreadable = window.lose
    _register_lifecycle(server, protocol, window)
    _register_documents(server, protocol, window)
    _register_completion(server, protocol, window)
    _register_chat(server, protocol, window)
    _register_commands(server, window)


def _register_lifecycle(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        window.handshake(params.initialization_options, protocol.encoding())
        window.wants_lf = ordinary.wants_lf(params.client_info)
        if ordinary.is_offered(params.capabilities):
            inserts_only = ordinary.inserts_only(params.client_info)
            _register_ordinary_completion(server, protocol, window, inserts_only)

    @server.feature(types.INITIALIZED)
    async def initialized(_params: types.InitializedParams) -> None:
        if wanted := registrations(server.client_capabilities, SOURCE_FILES):
            server.client_register_capability(types.RegistrationParams(wanted))
        await _take_pulled(server, window)
        window.start()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        section = members(params.settings).get("midfill")
        if section is not None:
            window.settings.take_section(section)
        else:
            await _take_pulled(server, window)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_watched_files(params: types.DidChangeWatchedFilesParams) -> None:
        window.settings.refresh()
        window.surroundings.files_changed(change.uri for change in params.changes)

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def did_change_folders(_params: types.DidChangeWorkspaceFoldersParams) -> None:
        window.surroundings.take_folders(folders_of(server))
        window.settings.take_folders(folders_of(server))


def _register_documents(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        window.open(params.text_document)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        window.change(params, protocol.received_at_s)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(params: types.DidSaveTextDocumentParams) -> None:
        window.surroundings.files_changed([params.text_document.uri])

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        window.close(params.text_document.uri)


def _register_completion(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(
        params: types.InlineCompletionParams,
    ) -> types.InlineCompletionList:
        return await window.complete(completion.Asked(params), str(protocol.msg_id))

    @server.feature("midfill/completion")
    async def growing_completion(params: RawParams) -> types.InlineCompletionList:
        asked = completion.read(protocol, params)
        on_partial = None
        if asked.token is not None:
            on_partial = _progress(protocol, asked.token)
        return await window.complete(asked, str(protocol.msg_id), on_partial)

    @server.feature("midfill/didMoveCursor")
    def did_move_cursor(params: RawParams) -> None:
        window.move(completion.read_place(protocol, params))

    @server.feature("textDocument/didShowCompletion")
    def did_show(params: RawParams) -> None:
        window.statistics.shown(events.read_item("textDocument/didShowCompletion", params))

    @server.feature("textDocument/didPartiallyAcceptCompletion")
    def did_partially_accept(params: RawParams) -> None:
        method = "textDocument/didPartiallyAcceptCompletion"
        item_id = events.read_item(method, params)
        length = events.read_accepted_length(method, params)
        window.statistics.partly_accepted(item_id, length)


def _register_ordinary_completion(
    server: LanguageServer, protocol: Protocol, window: Window, inserts_only: bool
) -> None:
    @server.feature(types.TEXT_DOCUMENT_COMPLETION, ordinary.OPTIONS)
    async def ordinary_completion(params: types.CompletionParams) -> types.CompletionList:
        snapshot = window.documents.get(params.text_document.uri)
        asked = ordinary.asked_of(params, inserts_only)
        found = await window.complete(asked, str(protocol.msg_id))
        return ordinary.items_of(snapshot, params, list(found.items), server.client_capabilities)


def _register_chat(server: LanguageServer, protocol: Protocol, window: Window) -> None:
    @server.feature("midfill/chat")
    async def ask(params: RawParams) -> dict[str, object]:
        asked = chat.read_chat(protocol, params)
        return await window.talks.chat(asked, _partial(protocol, asked.token, "content"))

    @server.feature("midfill/edit")
    async def edit(params: RawParams) -> dict[str, object]:
        asked = chat.read_edit(protocol, params)
        return await window.talks.edit(asked, _partial(protocol, asked.token, "newText"))

    @server.feature("midfill/didChangeToken")
    def did_change_token(_params: RawParams) -> None:
        window.take_new_token()


def _register_commands(server: LanguageServer, window: Window) -> None:
    @server.command("midfill.explain")
    def explain(_server: LanguageServer, *args: object) -> object:
        number = events.read_number(args)
        latest = window.recent.last(1 if number is None else number)
        return latest if number is not None else latest[0] if latest else None

    @server.command("midfill.accepted")
    def accepted(_server: LanguageServer, *args: object) -> None:
        window.statistics.accepted(events.read_accepted(args))

    @server.command("midfill.status")
    def status(*_args: object) -> dict[str, object]:
        return {**window.engine.describe(), "metrics": window.metrics.report()}

    @server.command("midfill.settings")
    def settings(*_args: object) -> dict[str, object]:
        settled = window.settings.settled
        told = {
            item.wire: {"value": settled.value(item), "from": settled.origin(item)}
            for item in known_settings().values()
        }
        return {"settings": told, "problems": list(settled.problems)}

    @server.command("midfill.restartEngine")
    async def restart_engine(*_args: object) -> dict[str, object]:
        with contextlib.suppress(BackendError):  # shown to the user; the status says it too
            await window.engine.restart()
        return window.engine.describe()


async def _take_pulled(server: LanguageServer, window: Window) -> None:
    """Take the editor's `midfill` section; what was known stays where the editor refuses."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.configuration:
        window.settings.take_section(None)
        return
    item = types.ConfigurationItem(section="midfill")
    try:
        sections = await server.workspace_configuration_async(types.ConfigurationParams([item]))
    except Exception as error:  # the editor refused, in whatever way it does
        logger.warning("workspace/configuration failed: %s", type(error).__name__)
        return
    window.settings.take_section(sections[0] if isinstance(sections, list) and sections else None)


def _partial(
    protocol: Protocol, token: str | int | None, name: str
) -> Callable[[str], None] | None:
    if token is None:
        return None
    send = _progress(protocol, token)
    return lambda text: send({name: text})


def _progress(protocol: Protocol, token: str | int) -> Callable[[object], None]:
    msg_id = protocol.msg_id

    def send(value: object) -> None:
        if protocol.is_waited_for(msg_id):  # a delta may be under way when the cancel comes
            protocol.notify(types.PROGRESS, types.ProgressParams(token, value))

    return send
