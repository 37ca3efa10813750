"""Tests of Nexus operations."""
