"""Where completions come from: one Protocol, one file per wire dialect."""
