"""FFE-Bench and FED-Bench: how good an editor of expressions is, with its uncertainty."""
