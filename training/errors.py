"""What ends a run with one line.

TrainingError            what was asked for cannot be done; the message names it and the remedy
└── MissingPackageError  held-out packages are absent or of another version (heldout.py)
"""

from __future__ import annotations


class TrainingError(Exception):
    """What was asked for cannot be done; the message names it and the remedy."""
