"""Tests of runner and sampling."""
