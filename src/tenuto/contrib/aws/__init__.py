"""Ties to Amazon's services. This room must never load a library of theirs before it is asked for."""
