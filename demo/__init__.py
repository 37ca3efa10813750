"""An order that survives kill -9 of its program, and of its server."""
