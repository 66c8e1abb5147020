"""The PixelSmile adapters that ship with the embedded model: `python -m recipes.adapters`.

drawn triplets -> training by the recipe `embedded`, stage after stage, each from the adapter of the last one.
"""
