"""Talking about code: pure parts, the use cases, and the two methods over the wire."""
