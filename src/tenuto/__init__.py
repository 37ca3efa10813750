"""Tenuto: durable execution for Python, and a service every Temporal SDK can use."""

__version__ = "0.1.0"
