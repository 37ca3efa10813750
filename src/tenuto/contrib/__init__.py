"""Ties to libraries that the framework does not need. Each module here imports its own library."""
