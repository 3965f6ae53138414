"""The Midfill inference engine."""
