"""Requests no client would send: whatever arrives, the service answers deliberately and stays whole."""
