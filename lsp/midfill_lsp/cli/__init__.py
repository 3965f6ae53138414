"""The `midfill` command: one file per subcommand."""
