"""Writes the model card (README.md of the model's folder) from the run's own records.

Reads the manifest, the training log, ``config.json`` and the JSON line of ``bench/quality.py``;
all prose stands in ``card.md`` beside this file. Called by ``training.run``.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from string import Template
from typing import Any

from training.corpus import HELD_OUT

PINS = Path(__file__).parent / "requirements-heldout.txt"
TEMPLATE = Path(__file__).parent / "card.md"
ROWS = {
    "no_op": "nothing",
    "copy_line": "rest of the most similar earlier line",
    "copy_suffix": "what followed the longest repeated text",
    "model_psm": "**model, prefix first**",
    "model_spm": "**model, suffix first**",
    "model_spm_healed": "model, suffix first, last token taken back (transformers only)",
}


def write(work: Path, model: Path, quality: list[Path]) -> None:
    """Writes ``model/README.md``; without ``quality`` the table says so."""
    manifest: dict[str, Any] = json.loads((work / "corpus" / "manifest.json").read_text())
    config: dict[str, Any] = json.loads((model / "config.json").read_text())
    log: list[dict[str, Any]] = [
        json.loads(line) for line in (work / "train.jsonl").read_text().splitlines()
    ]
    measured = [json.loads(path.read_text().splitlines()[-1]) for path in quality]
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
        num_megabytes=f"{sum(entry['bytes'] for entry in packages.values()) / 1e6:.0f}",
        dropped=", ".join(f"{k} {v}" for k, v in sorted(manifest["dropped"].items())),
        refused=", ".join(sorted(manifest["refused"])),
        held_out=held_out(),
        packages=package_table(packages),
        tokens=f"{log[-1]['tokens'] / 1e6:.1f}",
        steps=log[-1]["step"],
        minutes=round(log[-1]["elapsed_s"] / 60),
        loss=log[-1]["loss"],
        quality=quality_table(measured),
    )
    (model / "README.md").write_text(text, encoding="utf-8")


def num_params(config: dict[str, Any]) -> int:
    """Returns the number of weights, the tied head counted once."""
    hidden, head_dim = config["hidden_size"], config["head_dim"]
    heads = 2 * config["num_attention_heads"] + 2 * config["num_key_value_heads"]
    layer = hidden * head_dim * heads + 3 * hidden * config["intermediate_size"] + 2 * hidden
    return int(config["num_hidden_layers"] * layer + (config["vocab_size"] + 1) * hidden)


def held_out() -> str:
    """Returns the held-out packages with their pinned versions."""
    pins = re.findall(r"^([\w.-]+)==(\S+)$", PINS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name, _ in pins} == HELD_OUT.keys()
    return ", ".join(f"{name} {version}" for name, version in pins)


def package_table(packages: dict[str, dict[str, Any]]) -> str:
    """Returns one table row a package, largest first."""
    rows = sorted(packages.items(), key=lambda item: (-item[1]["bytes"], item[0]))
    return "\n".join(
        f"| {name} | {entry['version']} | {entry['licence']} | {entry['files']} "
        f"| {max(1, round(entry['bytes'] / 1000))} |"
        for name, entry in rows
    )


def quality_table(runs: list[dict[str, Any]]) -> str:
    """Returns the table of ``bench/quality.py``; each row is from the first run that has it."""
    if not runs:
        return "Not measured yet."
    measured = runs[0]
    results: dict[str, Any] = {}
    for each in runs:
        results = {**each["results"], **results}
    lines = ["| completion | exact match | edit similarity |", "| --- | --- | --- |"]
    for name, label in ROWS.items():
        if name not in results:
            continue
        row = results[name]
        cells = [
            f"{mean:.1%} ({low:.1%} to {high:.1%})"
            for mean, low, high in (row["exact_match"], row["edit_similarity"])
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    where = "the engine" if measured["backend"] == "engine" else "stock transformers, float32"
    cases, files = measured["num_cases"], measured["num_files"]
    lines += ["", f"{cases} cases from {files} files, greedy, through {where}."]
    return "\n".join(lines)


def main() -> None:
    """Writes the card from the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--quality", type=Path, nargs="*", default=[], help="outputs of bench/quality.py"
    )
    args = parser.parse_args()
    write(args.work, args.model, args.quality)


if __name__ == "__main__":
    main()
