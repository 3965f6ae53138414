"""The `midfill` command, as a subprocess."""
