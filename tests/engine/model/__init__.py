"""Tests of the decoder and of what it is loaded from."""
