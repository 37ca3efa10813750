"""Tests of the ties to other libraries."""
