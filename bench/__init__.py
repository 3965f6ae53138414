"""Benchmarks; each is a program whose last stdout line is JSON."""
