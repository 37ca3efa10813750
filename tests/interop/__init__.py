"""Programs that others wrote, unmodified, against our server."""
