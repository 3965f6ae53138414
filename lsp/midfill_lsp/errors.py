"""Everything the language server raises on purpose.

    MidfillError
    ├── ConfigError        a setting's value or name is wrong
    ├── RequestSkipped     this one request had better not be sent; all else is well
    │   └── Withheld            the privacy gate lets nothing of the document go there
    └── BackendError       no text could be had
        ├── LeftAlone           it failed just now, and is not asked for a while
        ├── EngineStartError    the bundled engine could not be started
        ├── EngineGone          the connection broke or the engine ended
        ├── AccessDenied        401 or 403: key or token refused, or not to be sent there
        ├── Overloaded          429 or 503: try again later, perhaps at a time it names
        ├── ModelLoading        503 while the model is loaded: wait
        ├── TimedOut            nothing came within the time that the settings give
        ├── Unreachable         no connection: name, network, proxy, certificate
        ├── ConnectionLost      a remote answer broke off
        ├── NotServed           404 or 410: no such model or route at this address
        ├── CannotDo            the model cannot do what was asked of it, such as chat
        └── BadReply            the backend rejected the request or answered nonsense
            ├── PromptTooLong       the request does not fit the model's context
            └── ServerFailed        500 and the like: the server's own fault, which may pass

Each message is one line that names the value and the remedy, and never holds users' code or keys.
"""

from __future__ import annotations

from typing import ClassVar


class MidfillError(Exception):
    """Base of all errors that are shown to users as they are."""


class ConfigError(MidfillError):
    """A setting's value or name is wrong."""


class RequestSkipped(MidfillError):
    """This request had better not be sent; the text says why."""


class Withheld(RequestSkipped):
    """The privacy gate lets nothing of this document go to this backend."""


class BackendError(MidfillError):
    """No text could be had from the backend.

    Attributes:
        is_told: the user is shown it, once per kind; the others pass by themselves.
        backs_off: automatic requests leave the backend alone for a while, longer each time.
    """

    is_told: ClassVar[bool] = False
    backs_off: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """The name of its class in the tree above, which `midfill_lsp.reasons` explains."""
        return next(kind.__name__ for kind in type(self).__mro__ if kind.__module__ == __name__)


class LeftAlone(BackendError):
    """The backend failed a moment ago, and automatic requests leave it alone."""


class EngineStartError(BackendError):
    """The bundled engine could not be started."""

    is_told = backs_off = True


class EngineGone(BackendError):
    """The connection broke, or the engine ended."""


class AccessDenied(BackendError):
    """The backend refused the key or token."""

    is_told = backs_off = True


class Overloaded(BackendError):
    """The backend asks to try again later.

    Attributes:
        retry_after_s: when, if it says so. Explicit requests wait for that time as well.
    """

    is_told = backs_off = True

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        """Keep the time."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelLoading(BackendError):
    """The backend is loading the model.

    Attributes:
        estimated_s: how much longer, if it says so.
    """

    is_told = backs_off = True

    def __init__(self, message: str, estimated_s: float | None = None) -> None:
        """Keep the estimate."""
        super().__init__(message)
        self.estimated_s = estimated_s


class TimedOut(BackendError):
    """Nothing came in time."""

    is_told = backs_off = True


class Unreachable(BackendError):
    """No connection could be had: name, network, proxy or certificate."""

    is_told = backs_off = True


class ConnectionLost(BackendError):
    """A remote answer broke off."""

    is_told = backs_off = True


class NotServed(BackendError):
    """Nothing is served at this address, or not this model."""

    is_told = backs_off = True


class CannotDo(BackendError):
    """The model or the server cannot do what was asked."""

    is_told = True


class BadReply(BackendError):
    """The backend rejected the request or answered what the protocol does not allow."""

    is_told = backs_off = True


class PromptTooLong(BadReply):
    """The request does not fit the model's context."""


class ServerFailed(BadReply):
    """The server failed on its side, which says nothing of what it can do."""
