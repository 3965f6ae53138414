"""Infill quality on the held-out packages, single line, beside baselines; last line is JSON.

    python bench/quality.py --root DIR --url http://127.0.0.1:PORT --api-key-file FILE
    python bench/quality.py --root DIR --backend transformers --model engine/midfill_engine/starter

DIR is where ``pip install --no-deps --target DIR -r training/requirements-heldout.txt`` put the
held-out packages (default: the running interpreter's). Without ``--url`` the engine is started on
``--model``. Deterministic: seeded cases, greedy decoding.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training.corpus import default_roots
from training.reference import Order, Reference

from bench import cases as bench_cases
from bench.cases import Case, MissingPackageError, edit_similarity, first_line, interval

NUM_PREDICT = 48
START_TIMEOUT_S = 120.0


class EngineStartError(Exception):
    """The engine ended, or was not ready in time; the message holds its output."""


Complete = Callable[[Case, Order, bool], str]


def main() -> int:
    """Runs the benchmark from the command line; returns the exit status."""
    args = parse()
    try:
        files = bench_cases.held_out_files(args.root or default_roots()[0])
    except MissingPackageError as error:
        print(f"bench/quality.py: {error}", file=sys.stderr)
        return 1
    cases = bench_cases.draw(files, args.num_cases, args.seed)
    began = time.monotonic()
    try:
        with backend(args) as complete:
            completions = complete_all(cases, complete, heal=args.backend == "transformers")
    except (EngineStartError, httpx.HTTPError) as error:
        print(f"bench/quality.py: {error}", file=sys.stderr)
        return 1
    results = {name: score(cases, texts) for name, texts in completions.items()}
    result = {
        "bench": "quality",
        "backend": "engine" if args.backend == "engine" else "transformers",
        "model": str(args.model) if args.model else args.url,
        "num_cases": len(cases),
        "num_files": len({case.path for case in cases}),
        "seed": args.seed,
        "wall_s": round(time.monotonic() - began, 1),
        "versions": bench_cases.installed_versions(),
        "results": results,
    }
    report(results, cases, completions, args.show)
    print(json.dumps(result))
    return 0


def parse() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path, action="append", help="site-packages folder")
    parser.add_argument("--backend", choices=("engine", "transformers"), default="engine")
    parser.add_argument("--model", type=Path, help="folder, for transformers or a fresh engine")
    parser.add_argument("--url", help="a running engine")
    parser.add_argument("--api-key-file", type=Path)
    parser.add_argument("--num-cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="print this many completions")
    args = parser.parse_args()
    if args.model is None and (args.url is None or args.backend == "transformers"):
        parser.error("--model DIR or (with --backend engine) --url URL is needed")
    return args


def complete_all(cases: Sequence[Case], complete: Complete, heal: bool) -> dict[str, list[str]]:
    """Returns the first lines of baselines and model, by name of the row."""
    completions = {
        "no_op": [""] * len(cases),
        "copy_line": [bench_cases.copy_line(case) for case in cases],
        "copy_suffix": [bench_cases.copy_suffix(case) for case in cases],
        "model_psm": run(cases, complete, "psm"),
        "model_spm": run(cases, complete, "spm"),
    }
    if heal:
        completions["model_spm_healed"] = run(cases, complete, "spm", heal=True)
    return completions


def run(cases: Sequence[Case], complete: Complete, order: Order, heal: bool = False) -> list[str]:
    """Returns the model's first lines; progress goes to stderr."""
    texts: list[str] = []
    for idx, case in enumerate(cases, start=1):
        texts.append(first_line(complete(case, order, heal)))
        if idx % 100 == 0:
            print(f"{order}: {idx}/{len(cases)}", file=sys.stderr)
    return texts


def score(cases: Sequence[Case], texts: Sequence[str]) -> dict[str, list[float]]:
    """Returns exact match and edit similarity, each as mean, low, high."""
    clusters = [f"{case.package}/{case.path}" for case in cases]
    pairs = [(case.expected, text) for case, text in zip(cases, texts, strict=True)]
    exact = interval([float(want == got) for want, got in pairs], clusters)
    edit = interval([edit_similarity(want, got) for want, got in pairs], clusters)
    return {
        "exact_match": [round(value, 4) for value in exact],
        "edit_similarity": [round(value, 4) for value in edit],
    }


def report(
    results: dict[str, dict[str, list[float]]],
    cases: Sequence[Case],
    completions: dict[str, list[str]],
    num_shown: int,
) -> None:
    """Prints the table, and the first completions where asked for."""
    for idx in range(min(num_shown, len(cases))):
        head = cases[idx].prefix.rsplit("\n", 1)[-1]
        print(f"{head}|{cases[idx].expected}")
        for name in ("model_psm", "model_spm"):
            print(f"    {name}: {completions[name][idx]}")
    print("| completion | exact match (95 %) | edit similarity (95 %) |\n| --- | --- | --- |")
    for name, row in results.items():
        cells = [f"{m:.1%} ({low:.1%} to {high:.1%})" for m, low, high in row.values()]
        print(f"| {name} | {' | '.join(cells)} |")


@contextmanager
def backend(args: argparse.Namespace) -> Generator[Complete]:
    """Yields the function that completes a case: the reference, or an engine over HTTP."""
    if args.backend == "transformers":
        reference = Reference(args.model)

        def refer(case: Case, order: Order, heal: bool) -> str:
            return reference.complete(case.prefix, case.suffix, order, NUM_PREDICT, heal)

        yield refer
    elif args.url:
        key = args.api_key_file.read_text().strip() if args.api_key_file else ""
        with attached(args.url, key) as complete:
            yield complete
    else:
        with tempfile.TemporaryDirectory() as folder, started(args.model, Path(folder)) as complete:
            yield complete


@contextmanager
def attached(url: str, key: str) -> Generator[Complete]:
    """Yields a function that asks the engine at ``url``."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:

        def complete(case: Case, order: Order, heal: bool) -> str:
            assert not heal, "the engine decides that itself"
            body = {
                "input_prefix": case.prefix, "input_suffix": case.suffix, "order": order,
                "n_predict": NUM_PREDICT, "temperature": 0, "stop": ["\n"], "stream": False,
            }  # fmt: skip
            reply = client.post("/infill", json=body)
            reply.raise_for_status()
            return str(reply.json()["content"])

        yield complete


@contextmanager
def started(model: Path, folder: Path) -> Generator[Complete]:
    """Starts an engine on ``model`` and yields a function that asks it."""
    key_file, ready_file = folder / "key", folder / "ready.json"
    key_file.write_text("bench-quality-key")
    key_file.chmod(0o600)
    command = [
        sys.executable, "-m", "midfill_engine.cli", "serve", "--model", str(model), "--port", "0",
        "--ready-file", str(ready_file), "--api-key-file", str(key_file),
    ]  # fmt: skip
    log = folder / "engine.log"
    with (
        log.open("w") as sink,
        subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT) as process,
    ):
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not ready_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise EngineStartError(f"the engine did not start: {log.read_text().strip()}")
                time.sleep(0.1)
            with attached(json.loads(ready_file.read_text())["url"], "bench-quality-key") as ask:
                yield ask
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
