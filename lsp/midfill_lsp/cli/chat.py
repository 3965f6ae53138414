"""`midfill chat`: talk to the model in the terminal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import threading
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from midfill_lsp.backend.base import Backend
from midfill_lsp.chat import Conversation, Passage, clear
from midfill_lsp.chat.talk import ANSWER_TOKENS
from midfill_lsp.cli import options as engine_options
from midfill_lsp.cli.shown_file import gate_of, shown_file
from midfill_lsp.cli.terminal import say
from midfill_lsp.context import trust_of
from midfill_lsp.errors import MidfillError

_HELP = (
    "Ctrl-C stops an answer, /new starts anew, /exit or Ctrl-D leaves; with --file, /explain, "
    "/fix, /tests and /doc are about it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.epilog = (
        _HELP + " Without a terminal on stdin, every line of it is a question. The bundled model "
        "completes code and cannot chat: give --model, or --backend for a server."
    )
    parser.add_argument("--system", metavar="TEXT", help="what stands before the conversation")
    parser.add_argument("--max-tokens", type=_positive, default=ANSWER_TOKENS, metavar="N")
    parser.add_argument(
        "--file", type=Path, metavar="PATH", help="code that the questions are about"
    )
    parser.add_argument("--select", metavar="A:B", help="only its lines A to B, counted from 1")
    parser.add_argument(
        "-c", dest="question", metavar="TEXT", help="ask this one question and leave"
    )
    engine_options.add_engine_options(parser)


def run(options: argparse.Namespace) -> int:
    """Talk until the user leaves; 1 if a question got no answer."""
    config = engine_options.read_config(options)
    if _is_terminal() and not options.question:
        print(_HELP, file=sys.stderr)
    passages = shown_file(config, options.file, options.select)
    backend = engine_options.make_backend(config)
    gate, trust = gate_of(config), trust_of(config)
    conversation = Conversation(
        backend, lambda messages: clear(gate, trust, messages), options.system, options.max_tokens
    )
    try:
        return asyncio.run(_talk(backend, _Talk(conversation, passages), options.question))
    except asyncio.CancelledError:  # Ctrl-C at the prompt
        raise KeyboardInterrupt from None


@dataclass(frozen=True, slots=True)
class _Talk:
    """The conversation, and the code that every question is about."""

    conversation: Conversation
    passages: tuple[Passage, ...]


async def _talk(backend: Backend, talk: _Talk, only: str | None) -> int:
    interrupts = _Interrupts()
    status = 0
    async with aclosing(backend):
        while (question := only or await _next_question()) is not None:
            if question == "/exit":
                break
            if question == "/new":
                talk.conversation.forget()
            elif question:
                try:
                    await _answer(talk, question, interrupts)
                except MidfillError as error:
                    say(f"midfill: error: {error}", is_error=True)
                    status = 1
            if only:
                break
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
        except NotImplementedError:  # asyncio's answer on Windows: its loop watches no signals
            signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        task = self.answer or self._chat
        if task is not None:
            task.cancel()


async def _answer(talk: _Talk, question: str, interrupts: _Interrupts) -> None:
    """Print the answer as it comes, until its end or Ctrl-C."""
    printing = asyncio.create_task(_print(talk, question))
    interrupts.answer = printing
    try:
        await asyncio.wait([printing])
        if not printing.cancelled():
            printing.result()
    finally:
        interrupts.answer = None
        print(flush=True)


async def _print(talk: _Talk, question: str) -> None:
    shown = 0

    def show(text: str) -> None:
        nonlocal shown
        say(text[shown:], end="")
        shown = len(text)

    answer = await talk.conversation.ask(question, show, talk.passages)
    for note in answer.notes:
        say(f"\nmidfill: {note}", end="", is_error=True)


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


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _read_question() -> str | None:
    if sys.stdin is None:  # closed; its number may be another file's by now
        return None
    if _is_terminal():
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
