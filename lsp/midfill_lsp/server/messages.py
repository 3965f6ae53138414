"""JSON-RPC on top of pygls, so that every request gets exactly one reply.

pygls 2.1 leaves these without one: malformed params, malformed JSON, requests before `initialize`
and after `shutdown`; and it answers a cancelled request only when its handler has cleaned up.
It also parses nested objects as messages, and logs users' text when a handler fails. All of that
is put right here, and here only. `rpc` begins and ends the session.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.protocol import LanguageServerProtocol

from midfill_lsp.server.raw import is_token, members
from midfill_lsp.server.strict import make_strict, told

logger = logging.getLogger(__name__)

MsgId = str | int
_Params = TypeVar("_Params")


class Messages(LanguageServerProtocol):
    """pygls' protocol with raw messages in, and a book of the requests that wait for a reply.

    Attributes:
        on_unreadable: is told the method and the params, as far as they are known, of a message
            that could not be read.
        exit_requested: set by `exit`.
        received_at_s: when the message that is handled came, by the monotonic clock.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # pygls' own signature
        """Register the built-in methods, as pygls does."""
        self._unanswered: set[MsgId] = set()
        self._initialized = False
        self.on_unreadable: Callable[[str | None, object], None] = lambda _method, _params: None
        self.exit_requested = asyncio.Event()
        self.received_at_s = 0.0
        super().__init__(*args, **kwargs)
        make_strict(self._converter)

    def is_waited_for(self, msg_id: MsgId | None) -> bool:
        """Whether a request has no reply yet."""
        return msg_id in self._unanswered

    def receive(self, body: bytes, at_s: float | None = None) -> None:
        """Handle one message as it came off the wire, at that time; None is now."""
        self.received_at_s = time.monotonic() if at_s is None else at_s
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            self._reject(None, types.ErrorCodes.ParseError, "the message is not JSON")
            self.on_unreadable(None, None)
            return
        if members(message).get("jsonrpc") != "2.0":
            self._reject(None, types.ErrorCodes.InvalidRequest, "not a JSON-RPC 2.0 message")
            self.on_unreadable(None, None)
            return
        # Each handler runs in its own context: pygls keeps the request's id there.
        contextvars.copy_context().run(self._dispatch, members(message))

    def _dispatch(self, message: dict[str, Any]) -> None:
        method, msg_id = message.get("method"), message.get("id")
        if method is None:
            self._receive_response(message)
        elif not isinstance(method, str) or not (is_token(msg_id) or "id" not in message):
            self._reject(None, types.ErrorCodes.InvalidRequest, "bad method or id")
        elif "id" in message:
            assert msg_id is not None
            self._receive_request(msg_id, method, message)
        elif method == types.CANCEL_REQUEST:
            self._cancel(message)
        elif method == types.EXIT:
            self.exit_requested.set()
        elif self._initialized and not self._shutdown:
            self._receive_notification(method, message)

    def _receive_request(self, msg_id: MsgId, method: str, message: dict[str, Any]) -> None:
        if msg_id in self._unanswered:
            self._reject(None, types.ErrorCodes.InvalidRequest, f"id {msg_id!r} is in use")
            return
        self._unanswered.add(msg_id)
        codes = types.ErrorCodes
        if self._shutdown:
            self._reject(msg_id, codes.InvalidRequest, "the server is shutting down")
        elif not self._initialized and method != types.INITIALIZE:
            self._reject(msg_id, codes.ServerNotInitialized, "initialize first")
        elif self._initialized and method == types.INITIALIZE:
            self._reject(msg_id, codes.InvalidRequest, "initialized already")
        else:
            self._run_request(msg_id, method, message)

    def _run_request(self, msg_id: MsgId, method: str, message: dict[str, Any]) -> None:
        try:
            handler = self._get_handler(method)
            params = self._structure(method, message)
        except JsonRpcException as error:
            self._send_response(msg_id, error=error.to_response_error())
            return
        except Exception as error:
            self._reject(msg_id, types.ErrorCodes.InvalidParams, f"{method}: {told(error)}")
            return
        self._initialized = self._initialized or method == types.INITIALIZE
        self._ctx_msg_id.set(msg_id)
        self._execute_handler(
            msg_id, handler, partial(self._send_handler_result, msg_id=msg_id), args=(params,)
        )

    def _receive_notification(self, method: str, message: dict[str, Any]) -> None:
        try:
            handler = self._get_handler(method)
            params = self._structure(method, message)
        except JsonRpcException:
            return  # unknown notifications may be ignored
        except Exception as error:
            self._complain(f"{method}: {told(error)}")
            self.on_unreadable(method, message.get("params"))
            return
        name = f"notification-{id(message)}"
        self._execute_handler(name, handler, self._after_notification, args=(params,))

    def _after_notification(self, future: Any) -> None:  # noqa: ANN401  # a task's or a thread's
        error = None if future.cancelled() else future.exception()
        if isinstance(error, JsonRpcInvalidParams):
            self._complain(error.message)
        elif error is not None:
            _log_error(error)

    def _complain(self, text: str) -> None:
        """Say that a notification is malformed, in the only way there is."""
        logger.warning("malformed %s", text)
        warning = types.LogMessageParams(types.MessageType.Warning, f"malformed {text}")
        self.notify(types.WINDOW_LOG_MESSAGE, warning)

    def _receive_response(self, message: dict[str, Any]) -> None:
        msg_id = message.get("id")
        if not isinstance(msg_id, (str, int)):
            return
        future = self._request_futures.pop(msg_id, None)
        self._result_types.pop(msg_id, None)
        if future is None or future.done():
            return
        error = message.get("error")
        if error is None:
            future.set_result(message.get("result"))
        else:
            future.set_exception(JsonRpcException("the editor refused", members(error).get("code")))

    def _cancel(self, message: dict[str, Any]) -> None:
        """Answer a cancelled request at once; its handler cleans up on its own time."""
        msg_id = members(message.get("params")).get("id")
        if not isinstance(msg_id, (str, int)) or msg_id not in self._unanswered:
            return
        future = self._request_futures.pop(msg_id, None)
        self._reject(msg_id, types.LSPErrorCodes.RequestCancelled, "cancelled")
        if future is not None:
            future.cancel()

    def structure(self, data: dict[str, Any], kind: type[_Params]) -> _Params:
        """Return JSON as a type of `lsprotocol`; raises what cattrs raises."""
        return self._converter.structure(data, kind)

    def _structure(self, method: str, message: dict[str, Any]) -> Any:  # noqa: ANN401
        """Return typed params for a standard method, raw JSON for one of our own."""
        message_type = self.get_message_type(method)
        if message_type is None:
            return message.get("params")
        return getattr(self._converter.structure(message, message_type), "params", None)

    def _send_handler_result(self, future: Any, *, msg_id: MsgId) -> None:  # noqa: ANN401
        self._request_futures.pop(msg_id, None)
        if msg_id not in self._unanswered:
            return  # cancelled, and told so
        if future.cancelled():
            self._reject(msg_id, types.LSPErrorCodes.RequestCancelled, "cancelled")
            return
        error = future.exception()
        if error is None:
            self._send_response(msg_id, result=future.result())
        elif isinstance(error, JsonRpcException):
            self._send_response(msg_id, error=error.to_response_error())
        else:
            _log_error(error)
            name = type(error).__name__
            self._reject(msg_id, types.ErrorCodes.InternalError, f"{name}; see the server's log")

    def _send_response(
        self,
        msg_id: MsgId,
        result: object = None,
        error: types.ResponseError | None = None,
    ) -> None:
        self._unanswered.discard(msg_id)
        super()._send_response(msg_id, result, error)

    def _reject(self, msg_id: MsgId | None, code: int, text: str) -> None:
        error = types.ResponseError(code=int(code), message=text)
        if msg_id is None:
            told_error = {"code": error.code, "message": error.message}
            # As a class of lsprotocol it would go out without its id, which JSON-RPC asks for.
            self._send_data({"jsonrpc": "2.0", "id": None, "error": told_error})
        else:
            self._send_response(msg_id, error=error)


def _log_error(error: BaseException) -> None:
    """Log where an error arose, but not its text, which may hold users' code."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("a handler failed: %s\n%s", type(error).__name__, frames)
