"""An order that survives the death of its worker and of its server."""
