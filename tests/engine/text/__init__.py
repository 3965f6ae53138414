"""Tests of text and token ids."""
