"""The recipe of the embedded face detector: `python -m recipes.faces.detector`.

pool -> detector -> folder. Portraits are drawn once; scenes are made of them as the training goes, and a run
that was stopped goes on where it was. `quality.py` measures the result.
"""
