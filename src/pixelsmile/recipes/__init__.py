"""How the weights that ship were made, from nothing but this package."""
