"""Tests of the engine thread, without a model."""
