"""What a frozen suffix costs: completions with the editor's closers shown and hidden.

    python bench/frozen.py --model engine/midfill_engine/starter --root HELD --root NPM

An editor that closes brackets by itself puts ``)`` behind the cursor when ``(`` is typed; the
language server goes on sending the suffix of before (``midfill_lsp.prompt.FrozenSuffixes``). Two
kinds of cases from held-out files, each asked both ways and trimmed as the language server trims:

    line    in a bracket or a string that the line's end closes; exact is the rest of the line
    block   on the first line of a block in braces; exact is that line

The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.heldout import SPLITS, held_out_files
from training.sources import SourceFile, default_roots

from bench import backends
from bench.backends import VARIANTS, Answer, Ask
from bench.cases import block_end, indent
from bench.scores import mean
from bench.workers import spread
from midfill_lsp.trim import Trimmer, describe

PREFIX_CHARS, SUFFIX_CHARS, NUM_PREDICT = 12_000, 4_000, 48
CLOSED = re.compile(r"[)\]}\"'`]+$")
OPENS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor; ``closers`` is what the editor put between it and ``suffix``."""

    kind: str
    cluster: str
    language: str
    prefix: str
    closers: str
    suffix: str
    expected: str


def main() -> None:
    """Measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", type=Path, required=True)
    add("--split", choices=SPLITS, default="dev")
    add("--root", type=Path, action="append", help="folder of packages (repeatable)")
    add("--num-cases", type=int, default=300, help="of each kind")
    add("--workers", type=int, default=2, help="engines, of one thread each")
    args = parser.parse_args()
    files = held_out_files(args.split, args.root or default_roots()[0])
    places = [*in_lines(files, args.num_cases), *in_blocks(files, args.num_cases)]
    with backends.engines(args.model, args.workers) as workers:
        shown = list(spread(workers, [ask(place, shown=True) for place in places]))
        hidden = list(spread(workers, [ask(place, shown=False) for place in places]))
    result: dict[str, object] = {"bench": "frozen", "model": str(args.model), "split": args.split}
    for kind in ("line", "block"):
        chosen = [idx for idx, place in enumerate(places) if place.kind == kind]
        clusters = [places[idx].cluster for idx in chosen]
        one, other = (
            mean([exact_match(places[idx], answers[idx]) for idx in chosen], clusters)
            for answers in (shown, hidden)
        )
        figures = {"shown": one, "hidden": other, "difference": other.minus(one)}
        result[kind] = {
            "cases": len(chosen),
            "same_text": sum(shown[idx].text == hidden[idx].text for idx in chosen),
            **{
                name: [round(part, 4) for part in each.interval()] for name, each in figures.items()
            },
        }
        print(kind, result[kind])
    print(json.dumps(result))


def in_lines(files: Sequence[SourceFile], count: int) -> list[Place]:
    """Returns cursors in lines that end with what closes brackets or strings open before them."""
    rng = random.Random("lines")
    found = [place for file in files for place in lines_of(file, rng)]
    rng.shuffle(found)
    return found[:count]


def lines_of(file: SourceFile, rng: random.Random) -> Iterator[Place]:
    """Yields one place for each line of a file that has one, at a random character."""
    lines = file.text.split("\n")
    for row, line in enumerate(lines):
        closed = CLOSED.search(line)
        if closed is None:
            continue
        columns = range(len(line) - len(line.lstrip()) + 1, closed.start())
        fitting = [column for column in columns if opened(line[:column], closed[0])]
        if fitting:
            column = rng.choice(fitting)
            prefix = "\n".join([*lines[:row], line[:column]])
            suffix = "\n".join(["", *lines[row + 1 :]])
            cluster = f"{file.package}/{file.path}"
            yield Place("line", cluster, file.language, prefix, closed[0], suffix, line[column:])


def opened(head: str, closers: str) -> bool:
    """Whether all of ``closers`` close something that is open at the end of ``head``."""
    stack: list[str] = []
    for char in head:
        if char in OPENS.values():
            stack.append(char)
        elif stack and char in OPENS and stack[-1] == OPENS[char]:
            stack.pop()
    return all(
        (stack.pop() if stack else "") == OPENS[char]
        if char in OPENS
        else head.count(char) % 2 == 1 and closers.count(char) == 1
        for char in closers
    )


def in_blocks(files: Sequence[SourceFile], count: int) -> list[Place]:
    """Returns cursors on the first line of blocks that end in a closing brace."""
    rng = random.Random("blocks")
    found = [place for file in files for place in blocks(file)]
    rng.shuffle(found)
    return found[:count]


def blocks(file: SourceFile) -> Iterator[Place]:
    """Yields the places of one file, of which all but the opening line is to be written yet."""
    lines = file.text.split("\n")
    for row, line in enumerate(lines[:-2]):
        last = block_end(lines, row) if line.endswith("{") else None
        first = lines[row + 1]
        if last is None or last + 1 >= len(lines) or not first.strip():
            continue
        closing = lines[last + 1]
        if not re.match(r"\s*\}", closing) or indent(closing) != indent(line):
            continue
        start = first[: indent(first)]
        brace = closing[: indent(closing) + 1]
        yield Place(
            "block", f"{file.package}/{file.path}", file.language,
            "\n".join([*lines[: row + 1], start]), "\n" + brace,
            "\n".join([closing[len(brace) :], *lines[last + 2 :]]), first[len(start) :],
        )  # fmt: skip


def ask(place: Place, *, shown: bool) -> Ask:
    """Returns the request with the closers shown or hidden."""
    suffix = (place.closers if shown else "") + place.suffix
    return Ask(
        place.prefix[-PREFIX_CHARS:], suffix[:SUFFIX_CHARS], VARIANTS["spm_heal"], NUM_PREDICT, 1
    )


def exact_match(place: Place, answer: Answer) -> float:
    """Returns 1 where the line is what stood there, 0 else."""
    behind = place.closers + place.suffix
    prefix = place.prefix[-PREFIX_CHARS:]
    context = describe(prefix, behind[:SUFFIX_CHARS], place.language, "line")
    trimmer = Trimmer(context, is_shown=False)
    trimmer.feed(answer.text)
    result = trimmer.finish()
    rest = "" if result.replaces_rest or place.kind == "block" else place.closers
    return float(result.text + rest == place.expected)


if __name__ == "__main__":
    main()
