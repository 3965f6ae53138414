"""`infill.json`: absent, whole, partial, and every mistake by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_engine.errors import ModelError
from midfill_engine.text.families import InfillFamily
from midfill_engine.text.infill_defaults import FILE_NAME, InfillDefaults

BOTH = InfillFamily("codellama", 1, 2, 3, ("spm", "psm"))
PSM = InfillFamily("qwen", 1, 2, 3, ("psm",))


def _read(folder: Path, text: str, family: InfillFamily | None = BOTH) -> InfillDefaults:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return InfillDefaults.read(folder, family)


def test_without_a_file_nothing_is_healed(tmp_path: Path) -> None:
    assert InfillDefaults.read(tmp_path, BOTH) == InfillDefaults(None, False, "prefix")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", InfillDefaults()),
        ('{"heal": true}', InfillDefaults(heal=True)),
        (
            '{"order": "psm", "heal": false, "line_start": "middle", "max_tokens": 2048}',
            InfillDefaults("psm", False, "middle", 2048),
        ),
    ],
)
def test_what_a_file_says(tmp_path: Path, text: str, expected: InfillDefaults) -> None:
    assert _read(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"heel": true}', r"unknown key 'heel'; the keys are order, heal, line_start, max_tokens"),
        ('{"heal": 1}', "`heal` is 1 and must be true or false"),
        ('{"heal": null}', "`heal` is None"),
        ('{"order": "mps"}', '`order` is \'mps\' and must be "spm" or "psm"'),
        ('{"order": ["spm"]}', "`order` is"),
        ('{"order": null}', "`order` is None"),
        ('{"line_start": "suffix"}', '`line_start` is \'suffix\' and must be "prefix" or "middle"'),
        ('{"max_tokens": 63}', "`max_tokens` is 63 and must be a whole number, 64 or more"),
        ('{"max_tokens": true}', "`max_tokens` is True"),
        ('{"max_tokens": "many"}', "`max_tokens` is 'many'"),
        ("[]", "does not hold a JSON object"),
        ("{", "is not readable JSON"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _read(tmp_path, text)


def test_an_order_that_the_family_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='must be "psm" for this model'):
        _read(tmp_path, '{"order": "spm"}', PSM)
    assert _read(tmp_path, '{"order": "spm"}', None).order == "spm"


def test_the_bundled_model_heals() -> None:
    import midfill_engine

    starter = Path(midfill_engine.__file__).parent / "starter"
    assert InfillDefaults.read(starter, BOTH).heal
