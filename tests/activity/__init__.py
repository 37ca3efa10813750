"""Activities: what their code sees, and how a worker runs them."""
