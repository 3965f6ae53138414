"""Local statistics: counted, kept, printed."""
