"""Tests of what blocks."""
