"""The protocol's messages."""
