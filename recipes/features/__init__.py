"""The recipe of the embedded image encoder: `python -m recipes.features`.

drawn faces -> windows -> reconstructions of some -> training -> folder. What is finished is not done again;
what was stopped goes on. `quality.py` measures the result.
"""
