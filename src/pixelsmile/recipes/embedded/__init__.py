"""The recipe of the embedded editor: `python -m pixelsmile.recipes.embedded`.

pictures -> autoencoder -> latents -> editor -> folder -> quality, each stage resumable, each with its log.
"""
