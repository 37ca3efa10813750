"""The same story told with the official SDK: an order that survives the death of its worker and of its server."""
