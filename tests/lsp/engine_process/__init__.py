"""The user's one engine, with real processes."""
