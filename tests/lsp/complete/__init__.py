"""Tests of the completion use case: when, in-flight steering, candidates."""
