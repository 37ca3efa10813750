"""Every example, run."""
