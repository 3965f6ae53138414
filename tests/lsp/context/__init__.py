"""The sources of context, and the gate in front of them."""
