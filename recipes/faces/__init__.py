"""How the embedded weights that look at faces were made."""
