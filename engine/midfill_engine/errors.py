"""Every error that the engine raises on purpose. Knows nothing of HTTP libraries or torch.

    EngineError                  one line for the user: what was wrong, and the remedy
    ├── StartError               the command line, a port, a key file
    ├── ModelError               a model folder, its config, weights or tokenizer
    ├── GrammarError             a grammar that an answer should obey cannot be used
    ├── OutOfMemory              one request did not fit; the engine lives on
    ├── EngineDied               the engine thread has ended; nothing more will be answered
    │   └── DeviceLost                the GPU computes nothing more for this process
    └── RequestError             a request was refused; knows its HTTP status
        ├── ValidationError      422  a field is missing, malformed or out of range
        │   ├── TemplateError         a conversation that the model's chat format refuses
        │   └── ToolError             a tool choice that names no tool
        ├── Unauthorized         401  the key is missing or wrong
        ├── Forbidden            403  the Host or Origin is not ours
        ├── NotFound             404  no such route
        │   └── ModelNotFound         no such model
        ├── MethodNotAllowed     405  the route exists, the method does not
        ├── Conflict             409  what is asked for and what is there exclude each other
        ├── BodyTooLarge         413  the body is over the bound
        ├── UnsupportedEncoding  415  the body is compressed
        ├── GenerationFailed     424  the engine began and could not go on
        ├── Overloaded           429  too many requests at once
        ├── IncompleteGeneration 500  the engine ended a request without an answer
        └── Unavailable          503  the engine thread has died
            └── ModelLoading          the model is on its way

Everything may raise these; `cli` turns those that end the process into exit status 2, `serve` the
rest into JSON.
"""

from __future__ import annotations

from typing import ClassVar


class EngineError(Exception):
    """Base of all; `str(error)` is one line that names the value and the remedy."""


class StartError(EngineError):
    """The engine cannot start: a bad option, a busy port, an unreadable key file."""


class ModelError(EngineError):
    """A model cannot be loaded: the message names the path and what to do about it."""


class GrammarError(EngineError):
    """A grammar is malformed, too large, or asks for what the library does not know."""


class OutOfMemory(EngineError):
    """One request did not fit into memory."""


class EngineDied(EngineError):
    """The engine thread ended with an error; the process has to be started anew."""


class DeviceLost(EngineDied):
    """The GPU failed so that every later call of this process fails too."""


class RequestError(EngineError):
    """A request was refused.

    Attributes:
        status: the HTTP status of the reply.
        error_type: TGI's name of the cause, as in `{"error", "error_type"}`.
    """

    status: ClassVar[int] = 500
    error_type: ClassVar[str] = "unknown"


class ValidationError(RequestError):
    """A field is missing, malformed, out of range or not supported."""

    status = 422
    error_type = "validation"


class TemplateError(ValidationError):
    """The model's chat format refuses a conversation, or there is none."""

    error_type = "template_error"


class ToolError(ValidationError):
    """A tool choice and the tools do not fit together."""

    error_type = "tool_error"


class Unauthorized(RequestError):
    """The key is missing or wrong."""

    status = 401
    error_type = "authentication"


class Forbidden(RequestError):
    """The `Host` or `Origin` header names somebody else."""

    status = 403
    error_type = "forbidden"


class NotFound(RequestError):
    """No such route."""

    status = 404
    error_type = "not_found"


class ModelNotFound(NotFound):
    """No model of that name is loaded."""


class MethodNotAllowed(RequestError):
    """The route exists, the method does not."""

    status = 405
    error_type = "method_not_allowed"


class Conflict(RequestError):
    """What is asked for and what is there exclude each other."""

    status = 409
    error_type = "conflict"


class BodyTooLarge(RequestError):
    """The body is over the bound."""

    status = 413
    error_type = "payload_too_large"


class UnsupportedEncoding(RequestError):
    """The body is compressed, or otherwise encoded."""

    status = 415
    error_type = "unsupported_encoding"


class GenerationFailed(RequestError):
    """The engine accepted the request and could not finish it."""

    status = 424
    error_type = "generation"


class Overloaded(RequestError):
    """As many requests as the engine takes at once are waiting or running."""

    status = 429
    error_type = "overloaded"


class IncompleteGeneration(RequestError):
    """The request ended without an answer."""

    status = 500
    error_type = "incomplete_generation"


class Unavailable(RequestError):
    """The engine thread has died."""

    status = 503
    error_type = "healthcheck"


class ModelLoading(Unavailable):
    """The model that is named is being loaded.

    Attributes:
        estimated_s: seconds until it may be there.
    """

    error_type = "loading"

    def __init__(self, message: str, estimated_s: float) -> None:
        """Say when to come back."""
        super().__init__(message)
        self.estimated_s = estimated_s
