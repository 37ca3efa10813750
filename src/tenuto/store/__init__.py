"""Storage: the promises a database must keep (`spi`), and the adapters that keep them."""
