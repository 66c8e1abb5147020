"""The recipe of the embedded editor: `python -m recipes.embedded`.

pictures -> autoencoder -> latents -> editor -> folder. A finished stage is not run again; the trainings go on
where they stopped and keep a log. It runs on the CPU. `quality.py` measures the result.
"""
