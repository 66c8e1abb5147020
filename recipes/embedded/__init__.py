"""The recipe of the embedded editor: `python -m recipes.embedded`.

pictures -> autoencoder -> latents -> editor -> folder. A finished stage is not run again; the trainings go on
where they stopped and keep a log. A CPU is enough. `quality.py` measures the result.
"""
