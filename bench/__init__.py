"""Measurements. Nothing here is imported by the product; what runs here talks to servers as any client would."""
