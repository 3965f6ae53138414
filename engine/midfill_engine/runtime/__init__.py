"""Requests, scheduling, prefix reuse and the engine thread. Knows no torch and no HTTP."""
