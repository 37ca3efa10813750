"""Programs for the type checker, right ones and wrong ones."""
