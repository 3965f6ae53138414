"""How much of each prompt stands in the cache while somebody types: real prompts, no model.

    python bench/reuse.py --model engine/midfill_engine/starter

Seeded typing traces over files of the standard library and of this repository (brackets that the
editor closes, corrections, line ends, files longer than the window), one request a key. Each goes
through the language server's windows, the engine's ``/infill`` parsing, prompt and tokens, and its
slots; nothing is generated. With the suffix frozen, as the language server sends it, and without;
and frozen with pieces of other files before it, ten of which are open.
The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.traces import State, places, type_again
from midfill_engine.metrics import EngineLoad, StepMetrics
from midfill_engine.runtime.request import EventSink, GenerationRequest, untold
from midfill_engine.runtime.slots import SlotTable
from midfill_engine.serve.infill_request import read_infill_request
from midfill_engine.serve.served import Handle, ModelInfo, Served
from midfill_engine.text.families import find_family
from midfill_engine.text.heal import PieceIndex
from midfill_engine.text.infill_defaults import InfillDefaults
from midfill_engine.text.tokenizer import Tokenizer
from midfill_lsp import prompt as prompts
from midfill_lsp.config import CompletionConfig, ContextConfig
from midfill_lsp.context import Finder, Gate, Workspace
from midfill_lsp.document import open_snapshot
from midfill_lsp.lines import split_lines
from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import describe

ROOT = Path(__file__).resolve().parent.parent
NUM_SLOTS = 4
NUM_OPEN = 10
FAR = 64
"""More computed tokens than that are counted by what caused them."""


@dataclass(slots=True)
class Reuse:
    """Counts over requests; ``far`` counts computed tokens of large misses by key."""

    requests: int = 0
    prompt_tokens: int = 0
    computed: int = 0
    truncated: int = 0
    far: Counter[str] = field(default_factory=Counter[str])

    @property
    def share(self) -> float:
        """Of the prompts' tokens, those that needed no computing."""
        return 1 - self.computed / max(1, self.prompt_tokens)

    def told(self) -> dict[str, object]:
        """Returns what the JSON holds."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "reused_share": round(self.share, 5),
            "computed_per_request": round(self.computed / max(1, self.requests), 2),
            "truncated_share": round(self.truncated / max(1, self.requests), 3),
            "far_computed": dict(self.far.most_common()),
        }


class Window:
    """A language server's window on an engine that has slots and no model."""

    def __init__(self, served: Served, *, frozen: bool, others: Others | None = None) -> None:
        """Begin with empty slots."""
        self._others = others
        self.reuse = Reuse()
        self._served = served
        self._config = CompletionConfig()
        self._suffixes = prompts.FrozenSuffixes() if frozen else None
        self._slots = SlotTable(NUM_SLOTS)

    async def type(self, document: str, language: str, states: Iterator[State]) -> None:
        """Sends a request for each state."""
        for state in states:
            request, truncated = await self.request(document, language, state)
            placement = self._slots.acquire(request.prompt_ids, document, reuse=True)
            assert placement is not None
            self._slots.extend(placement.slot, request.prompt_ids[placement.cached_len :])
            self._slots.release(placement.slot, keep=True)
            self._slots.check_integrity()
            computed = len(request.prompt_ids) - placement.cached_len
            self.reuse.requests += 1
            self.reuse.prompt_tokens += len(request.prompt_ids)
            self.reuse.computed += computed
            self.reuse.truncated += truncated
            if computed > FAR:
                self.reuse.far[state.key] += computed

    async def request(
        self, document: str, language: str, state: State
    ) -> tuple[GenerationRequest, bool]:
        """Returns what the engine makes of one key, and whether the prompt was cut."""
        config = self._config
        lines = split_lines(state.before + state.after)
        line_idx = state.before.count("\n")
        column = len(state.before) - (state.before.rfind("\n") + 1)
        prompt = prompts.build(lines, line_idx, column, config.prefix_chars, config.suffix_chars)
        suffix = self._suffixes.hold(document, prompt) if self._suffixes else prompt.suffix
        line = describe(prompt.prefix, prompt.suffix, language).mode == "line"
        extra: dict[str, object] = {}
        if self._others is not None:
            extra = await self._others.fields(document, lines, line_idx, prompt, suffix)
        read = await read_infill_request(
            {
                **extra,
                "input_prefix": prompt.prefix,
                "input_suffix": suffix,
                "session": document,
                "n_predict": config.max_line_tokens if line else config.max_block_tokens,
            },
            self._served,
        )
        return read.prompts[0], read.truncated


class Others:
    """Pieces of other files, as the language server sends them; ten files are open."""

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        """Open the files."""
        chosen = random.Random(seed).sample(list(texts), min(NUM_OPEN, len(texts)))
        uris = [f"file:///open/{idx}.py" for idx in range(len(chosen))]
        self._documents = {
            uri: open_snapshot(uri, "python", 1, text, "utf-16")
            for uri, text in zip(uris, chosen, strict=True)
        }
        config = ContextConfig(budget_ms=1000)
        workspace = Workspace([Path("/open")])
        gate = Gate(lambda: config, workspace)
        self._finder = Finder(lambda: config, workspace, gate, self._documents, Grammars())

    async def fields(
        self,
        document: str,
        lines: Sequence[str],
        line_idx: int,
        prompt: prompts.Prompt,
        suffix: str,
    ) -> dict[str, object]:
        """Returns the fields of the request that hold them."""
        uri = f"file:///open/{document.replace(' ', '')}.py"
        snapshot = open_snapshot(uri, "python", 1, "".join(lines), "utf-16")
        found = await self._finder.find(snapshot, line_idx, prompt.prefix, suffix, "local")
        files = [{"filename": file.name, "text": file.text} for file in found.files]
        return {"input_extra": files, "filename": document, "repo_name": "work"}

    async def aclose(self) -> None:
        """Ends the threads."""
        await self._finder.aclose()


class NoEngine:
    """Takes no request: prompts are all that is measured."""

    failure = None
    num_open = 0
    load = EngineLoad(num_waiting=0, num_running=0, max_tokens=0)
    steps = StepMetrics()

    def submit(
        self,
        request: GenerationRequest,
        sink: EventSink,
        after: int | None = None,
        on_told: Callable[[], None] = untold,
    ) -> Handle:
        """Never called."""
        raise AssertionError("nothing is generated here")

    def close(self) -> None:
        """Nothing to end."""


def served_without_model(folder: Path, context: int, max_infill: int | None = None) -> Served:
    """Returns what the engine's parsing needs of a model's folder.

    `max_infill` bounds infill prompts, in tokens; None leaves them to the context.
    """
    tokenizer = Tokenizer.load(folder)
    family = find_family(tokenizer, vocab_size=tokenizer.vocab_size, wanted=None)
    return Served(
        engine=NoEngine(),
        tokenizer=tokenizer,
        vocab_size=tokenizer.vocab_size,
        pieces=PieceIndex(tokenizer, tokenizer.vocab_size),
        family=family,
        model_id=folder.name,
        max_total_tokens=context,
        max_infill_tokens=max_infill or context,
        info=ModelInfo("none", 0, "none", "none", "none", "none"),
        infill_defaults=InfillDefaults.read(folder, family),
    )


def measure(served: Served, texts: Sequence[str], args: argparse.Namespace) -> dict[str, object]:
    """Returns the figures with the suffix frozen and as it is."""
    result: dict[str, object] = {}
    for name, frozen in (("frozen", True), ("as it is", False), ("other files", True)):
        others = Others(texts, args.seed) if name == "other files" else None
        window = Window(served, frozen=frozen, others=others)
        asyncio.run(type_all(window, others, texts, args))
        result[name] = window.reuse.told()
        print(name, result[name])
    return result


async def type_all(
    window: Window, others: Others | None, texts: Sequence[str], args: argparse.Namespace
) -> None:
    """Types every stretch in a document of its own."""
    stretches = places(texts, args.num_places, args.chars, args.seed)
    for idx, (text, start, end) in enumerate(stretches):
        states = type_again(text, start, end, random.Random(f"{args.seed}/{idx}"))
        await window.type(f"document {idx}", "python", states)
    if others is not None:
        await others.aclose()


def main() -> None:
    """Measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", type=Path, default=ROOT / "engine" / "midfill_engine" / "starter")
    add("--context", type=int, default=4096, help="tokens of the model's context")
    add("--max-infill", type=int, default=1024, help="tokens of a prompt")
    add("--num-places", type=int, default=16, help="stretches that are typed")
    add("--chars", type=int, default=600, help="characters of each")
    add("--root", type=Path, action="append", help="folder of sources (repeatable)")
    add("--suffix", action="append", help="of the files, such as .py (repeatable)")
    add("--seed", type=int, default=0)
    args = parser.parse_args()
    roots = args.root or [Path(sysconfig.get_path("stdlib")), ROOT / "engine", ROOT / "lsp"]
    texts = list(read(roots, args.suffix or [".py"]))
    served = served_without_model(args.model, args.context, args.max_infill)
    result = measure(served, texts, args)
    told = {
        "bench": "reuse",
        "model": args.model.name,
        "context": args.context,
        "max_infill": args.max_infill,
        **result,
    }
    print(json.dumps({**told, "places": args.num_places, "chars": args.chars, "seed": args.seed}))


def read(roots: Sequence[Path], suffixes: Sequence[str]) -> Iterator[str]:
    """Yields the texts of the folders' files, their subfolders' of packages left out."""
    for root in roots:
        pattern = "*" if (root / "os.py").exists() else "**/*"
        for path in sorted(root.glob(pattern)):
            if path.suffix in suffixes and path.is_file():
                yield path.read_text("utf-8", errors="replace")


if __name__ == "__main__":
    main()
