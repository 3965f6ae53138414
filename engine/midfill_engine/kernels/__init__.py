"""Numeric kernels: a plain-torch reference and the fast ones."""
