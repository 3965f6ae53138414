"""Tests of the HTTP side of the engine."""
