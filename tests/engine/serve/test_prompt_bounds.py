"""How long an infill prompt is: by the context, by what the model says, by what the user says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from midfill_engine.config import EngineConfig, ModelConfig
from midfill_engine.serve.load import load_served


@pytest.mark.parametrize(
    ("told", "wanted", "expected"),
    [(None, None, 192), (70, None, 70), (70, 128, 128), (300, None, 192), (None, 80, 80)],
)
def test_the_users_word_is_the_last(
    tiny_folder: Path, tmp_path: Path, told: int | None, wanted: int | None, expected: int
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    if told is not None:
        (folder / "infill.json").write_text(f'{{"max_tokens": {told}}}')
    model = ModelConfig(source=str(folder), device="cpu", max_context=192, max_infill=wanted)
    served = load_served(EngineConfig(model))
    served.engine.close()
    assert served.max_infill_tokens == expected
