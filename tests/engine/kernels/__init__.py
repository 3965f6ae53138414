"""Tests of the native library: how it is built, found and fed."""
