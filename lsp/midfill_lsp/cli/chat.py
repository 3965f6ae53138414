"""`midfill chat`: talk to the model in the terminal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import threading
from contextlib import aclosing

from midfill_lsp.backend.base import Backend
from midfill_lsp.chat import Conversation
from midfill_lsp.cli import options as engine_options
from midfill_lsp.errors import BackendError

_HELP = "Ctrl-C stops an answer, /new starts anew, /exit or Ctrl-D leaves."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.epilog = (
        _HELP + " Without a terminal on stdin, every line of it is a question. The bundled model "
        "completes code and cannot chat: give --model, or --backend for a server."
    )
    parser.add_argument("--system", metavar="TEXT", help="what stands before the conversation")
    parser.add_argument("--max-tokens", type=_positive, default=512, metavar="N")
    engine_options.add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Talk until the user leaves; 1 if a question got no answer."""
    config = engine_options.read_config(options)
    if sys.stdin.isatty():
        print(_HELP, file=sys.stderr)
    backend = engine_options.make_backend(config)
    try:
        return asyncio.run(_talk(backend, options.system, options.max_tokens))
    except asyncio.CancelledError:  # Ctrl-C at the prompt
        raise KeyboardInterrupt from None


async def _talk(backend: Backend, system: str | None, max_tokens: int) -> int:
    conversation = Conversation(backend, system, max_tokens)
    interrupts = _Interrupts()
    status = 0
    async with aclosing(backend):
        while (question := await _next_question()) is not None:
            if question == "/exit":
                break
            if question == "/new":
                conversation.forget()
            elif question:
                try:
                    await _answer(conversation, question, interrupts)
                except BackendError as error:
                    print(f"midfill: error: {error}", file=sys.stderr)
                    status = 1
    return status


class _Interrupts:
    """Ctrl-C cancels the answer that is being written, and between answers the chat itself.

    The loop's own signal handling wakes it up; Python's may leave it asleep when the signal comes
    right before the loop begins to wait.
    """

    def __init__(self) -> None:
        """Listen from now on."""
        self._chat = asyncio.current_task()
        self.answer: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        try:
            self._loop.add_signal_handler(signal.SIGINT, self._stop)
        except NotImplementedError:  # Windows
            signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        task = self.answer or self._chat
        if task is not None:
            task.cancel()


async def _answer(conversation: Conversation, question: str, interrupts: _Interrupts) -> None:
    """Print the answer as it comes, until its end or Ctrl-C."""
    printing = asyncio.create_task(_print(conversation, question))
    interrupts.answer = printing
    try:
        await asyncio.wait([printing])
        if not printing.cancelled():
            printing.result()
    finally:
        interrupts.answer = None
        print(flush=True)


async def _print(conversation: Conversation, question: str) -> None:
    stream = conversation.ask(question)
    async with aclosing(stream):
        async for part in stream:
            if isinstance(part, str):
                print(part, end="", flush=True)


async def _next_question() -> str | None:
    """Return the next question, None at the end of stdin.

    Read in a daemon thread: with asyncio's own, Ctrl-C at the prompt would wait for a line.
    """
    loop = asyncio.get_running_loop()
    question: asyncio.Future[str | None] = loop.create_future()

    def settle(line: str | None) -> None:
        if not question.done():
            question.set_result(line)

    def read() -> None:
        line = _read_question()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
            loop.call_soon_threadsafe(settle, line)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    return await question


def _read_question() -> str | None:
    if sys.stdin.isatty():
        with contextlib.suppress(EOFError):
            return input("> ").strip()
        return None
    # Unbuffered: a buffer's lock, held by this thread at exit, would end Python with a crash.
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        line = stdin.readline()
    return line.decode("utf-8", "replace").strip() if line else None


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
