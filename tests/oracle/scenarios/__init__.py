"""Scenarios, one file per family."""
