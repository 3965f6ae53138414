"""The rules for secrets, loaded once for each file of tests."""

from __future__ import annotations

import pytest

from midfill_lsp.context.secret_lines import SecretLines


@pytest.fixture(scope="module")
def lines() -> SecretLines:
    found = SecretLines()
    found.load()
    return found
