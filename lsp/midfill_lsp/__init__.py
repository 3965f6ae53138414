"""The Midfill language server."""
