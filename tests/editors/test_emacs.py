"""Real Emacs with eglot and the lines of docs/editors.md: the suggestion is an item of the menu."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.editors.find import environment, find
from tests.editors.neovim import ROOT, TIMEOUT_S, command
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_COMPLETE = """
(find-file "code.py")
(let ((eglot-sync-connect t)) (apply #'eglot (eglot--guess-contact)))
(goto-char (point-max))
(let* ((found (eglot-completion-at-point))
       (word (buffer-substring (nth 0 found) (nth 1 found)))
       (candidates (all-completions word (nth 2 found)))
       (annotate (plist-get (nthcdr 3 found) :annotation-function)))
  (dolist (it candidates)
    (princ (substring-no-properties (concat it (funcall annotate it)) nil))
    (terpri)))
(princ "--")
(completion-at-point)
(princ (json-encode (list (buffer-substring-no-properties (point-min) (point-max)) (point))))
(set-buffer-modified-p t)
(save-buffer)
(eglot-shutdown (eglot-current-server))
"""


def config_of_page(server: list[str]) -> str:
    """Return the lines of docs/editors.md with a command that runs here."""
    page = (ROOT / "docs" / "editors.md").read_text()
    block = page.partition("```elisp\n")[2].partition("```")[0]
    assert '"midfill" "lsp"' in block
    return block.replace('"midfill" "lsp"', " ".join(json.dumps(part) for part in server))


def complete(folder: Path, text: bytes, *deltas: str) -> tuple[str, str]:
    """Complete at the end of a file; return the candidates and the text then."""
    script = Script()
    lines = config_of_page(command("tests.editors.script", str(script.port)))
    (folder / "init.el").write_text(f"(require 'eglot)\n{lines}\n{_COMPLETE}")
    (folder / "code.py").write_bytes(text)
    emacs = subprocess.Popen(
        [find("emacs"), "-Q", "--batch", "-l", "init.el"],
        cwd=folder,
        env={**environment(folder), "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with emacs:
        script.accept()
        script.set(*deltas)
        output, errors = emacs.communicate(timeout=TIMEOUT_S)
    script.close()
    assert emacs.returncode == 0, errors
    candidates, _, rest = output.partition("\n--")
    written, _ = json.loads(rest)
    return candidates, written


def test_the_suggestion_is_completed(tmp_path: Path) -> None:
    text = b"def add(alpha, beta):\n    return al"
    candidates, written = complete(tmp_path, text, "pha + beta")
    assert candidates == "alpha + beta Midfill"
    assert written == "def add(alpha, beta):\n    return alpha + beta"


def test_a_block_in_a_crlf_file(tmp_path: Path) -> None:
    block = "x = 1\n    if x:\n        y()\n    return x\n\n\nz"
    _, written = complete(tmp_path, b"def f():\r\n    ", block)
    assert "\r" not in written
    lines = [b"def f():", b"    x = 1", b"    if x:", b"        y()", b"    return x"]
    assert (tmp_path / "code.py").read_bytes().rstrip() == b"\r\n".join(lines)
