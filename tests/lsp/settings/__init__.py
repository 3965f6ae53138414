"""Settings from files, editors and command lines."""
