"""Programs that do the same durable work with Tenuto and with its peers, each in its own process and environment."""
