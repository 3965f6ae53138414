"""Writes the model card (README.md of the model's folder) and the list of the data's packages.

Reads the manifest, the training log, ``config.json`` and the outputs of the benchmarks; all prose
stands in ``card.md`` beside this file. Called by ``training.run``, and by hand after measuring:

    python -m training.card --work DIR --model MODEL --quality OUT.txt OUT.json --recite OUT.txt
        --drafts OUT.txt
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

TEMPLATE = Path(__file__).parent / "card.md"
PACKAGES = "PACKAGES.tsv"
NOT_MEASURED = "Not measured yet."

NUM_EXAMPLES = 6
MAX_EXAMPLE_CHARS = 60


def write(
    work: Path,
    model: Path,
    quality: Path | None = None,
    cases: Path | None = None,
    recite: Path | None = None,
    drafts: Path | None = None,
) -> None:
    """Writes ``README.md`` and ``PACKAGES.tsv`` into ``model``.

    Args:
        work: the run's folder.
        model: the exported folder.
        quality: what ``bench/quality.py`` printed.
        cases: the file that it wrote with ``--out``.
        recite: what ``bench/recite.py`` printed.
        drafts: what ``bench/drafts.py`` printed.
    """
    manifest: dict[str, Any] = json.loads((work / "corpus" / "manifest.json").read_text())
    config: dict[str, Any] = json.loads((model / "config.json").read_text())
    log = [json.loads(line) for line in (work / "train.jsonl").read_text().splitlines()]
    packages = manifest["packages"]
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        num_params=f"{num_params(config) / 1e6:.1f}",
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        ffn=config["intermediate_size"],
        vocab=config["vocab_size"],
        context=config["max_position_embeddings"],
        num_packages=len(packages),
        num_files=sum(entry["files"] for entry in packages.values()),
        languages=languages(manifest["languages"]),
        licences=licences(packages),
        dropped=", ".join(f"{name} {num}" for name, num in sorted(manifest["dropped"].items())),
        num_refused=len(manifest["refused"]),
        dev=held_out(manifest["held_out"]["dev"]),
        test=held_out(manifest["held_out"]["test"]),
        tokens=f"{log[-1]['tokens'] / 1e6:.1f}",
        steps=log[-1]["step"],
        minutes=round(log[-1]["elapsed_s"] / 60),
        loss=log[-1]["loss"],
        quality=printed(quality),
        recite=printed(recite),
        drafts=printed(drafts),
        examples=examples(cases),
    )
    (model / "README.md").write_text(text, encoding="utf-8")
    (model / PACKAGES).write_text(package_list(packages), encoding="utf-8")


def num_params(config: Mapping[str, Any]) -> int:
    """Returns the number of weights, the tied head counted once."""
    hidden, head_dim = config["hidden_size"], config["head_dim"]
    heads = 2 * config["num_attention_heads"] + 2 * config["num_key_value_heads"]
    layer = hidden * head_dim * heads + 3 * hidden * config["intermediate_size"] + 2 * hidden
    return int(config["num_hidden_layers"] * layer + (config["vocab_size"] + 1) * hidden)


def languages(sizes: Mapping[str, int]) -> str:
    """Returns the languages with their megabytes, largest first."""
    order = sorted(sizes.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size / 1e6:.1f}" for name, size in order)


def licences(packages: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns how many packages carry each of the commonest licences."""
    counts: dict[str, int] = {}
    for entry in packages.values():
        name = str(entry["licence"]).lower()
        counts[name] = counts.get(name, 0) + 1
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:8]
    rest = len(packages) - sum(num for _, num in common)
    return ", ".join(f"{name} {num}" for name, num in common) + f", others {rest}"


def held_out(packages: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the packages with their versions."""
    return ", ".join(f"{name} {entry['version']}" for name, entry in packages.items())


def package_list(packages: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns one line a package, largest first: name, version, licence, files, bytes."""
    rows = sorted(packages.items(), key=lambda item: (-item[1]["bytes"], item[0]))
    lines = ["package\tversion\tlicence\tfiles\tbytes"]
    for name, entry in rows:
        licence = " ".join(str(entry["licence"]).split())
        lines.append(f"{name}\t{entry['version']}\t{licence}\t{entry['files']}\t{entry['bytes']}")
    return "\n".join(lines) + "\n"


def printed(path: Path | None) -> str:
    """Returns the tables that a benchmark printed, without its last line, which is JSON."""
    if path is None:
        return NOT_MEASURED
    lines = path.read_text(encoding="utf-8").strip().splitlines()
    json.loads(lines[-1])
    return "\n".join(lines[:-1]).strip()


def examples(path: Path | None) -> str:
    """Returns the first cases that came out right and wrong, of lines with something typed."""
    if path is None:
        return NOT_MEASURED
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    short = [
        case for case in cases
        if case["kind"] == "line" and case["head"].strip()
        and len(case["head"] + case["expected"]) <= MAX_EXAMPLE_CHARS
    ]  # fmt: skip
    right = [case for case in short if completion(case) == case["expected"]]
    wrong = [case for case in short if completion(case) != case["expected"]]
    return "\n".join(["Right:", "", *shown(right), "", "Wrong:", "", *shown(wrong)])


def completion(case: Mapping[str, Any]) -> str:
    """Returns what the model wrote in the default order, healed."""
    return str(case["completions"]["spm_heal"])


def shown(cases: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns list items of the first cases: what stood there, what the model wrote."""
    items: list[str] = []
    for case in cases:
        wrote, expected = completion(case), case["expected"]
        truth = "" if wrote == expected else f" (was {code(expected)})"
        items.append(f"- {code(case['head'].strip())} → {code(wrote)}{truth}")
        if len(items) == NUM_EXAMPLES:
            break
    return items


def code(text: str) -> str:
    """Returns ``text`` as inline code; Markdown needs longer fences around backticks."""
    if not text.strip():
        return "nothing"
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}" if fence == "`" else f"{fence} {text} {fence}"


def main() -> None:
    """Writes the card from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--quality", type=Path, nargs=2, default=[None, None], metavar=("PRINTED", "OUT"),
        help="what bench/quality.py printed, and the file of its --out",
    )  # fmt: skip
    parser.add_argument("--recite", type=Path, help="what bench/recite.py printed")
    parser.add_argument("--drafts", type=Path, help="what bench/drafts.py printed")
    args = parser.parse_args()
    quality, cases = args.quality
    write(args.work, args.model, quality, cases, args.recite, args.drafts)


if __name__ == "__main__":
    main()
