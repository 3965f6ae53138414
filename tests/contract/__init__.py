"""docs/protocol.md against both of its sides."""
