"""Parsers, and what they are asked."""
