"""Everything the language server raises on purpose.

    MidfillError
    ├── ConfigError        a setting's value or name is wrong
    └── BackendError       no text could be had
        ├── EngineStartError    the bundled engine could not be started
        ├── EngineGone          the connection broke or the engine ended
        ├── AccessDenied        401 or 403: key or token refused
        ├── Overloaded          429: try again later
        └── BadReply            the backend rejected the request or answered nonsense

Each message is one line that names the value and the remedy, and never holds users' code or keys.
"""

from __future__ import annotations


class MidfillError(Exception):
    """Base of all errors that are shown to users as they are."""


class ConfigError(MidfillError):
    """A setting's value or name is wrong."""


class BackendError(MidfillError):
    """No text could be had from the backend."""


class EngineStartError(BackendError):
    """The bundled engine could not be started."""


class EngineGone(BackendError):
    """The connection broke, or the engine ended."""


class AccessDenied(BackendError):
    """The backend refused the key or token."""


class Overloaded(BackendError):
    """The backend asks to try again later."""


class BadReply(BackendError):
    """The backend rejected the request or answered what the protocol does not allow."""
