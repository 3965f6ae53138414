"""The backend against real sockets."""
