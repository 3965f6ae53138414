"""A language server over stdio that always suggests `a + b`; run by editors under test."""

from __future__ import annotations

import sys

from midfill_lsp import server
from midfill_lsp.settings.sources import Sources
from tests.fakes import FakeEngine

if __name__ == "__main__":
    sys.exit(server.run(lambda _config: FakeEngine(deltas=["a ", "+ b"]), Sources()))
