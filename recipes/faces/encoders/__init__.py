"""The recipe of the embedded identity encoders: `python -m recipes.faces.encoders`.

drawn people -> aligned crops -> reconstructions of some -> three trainings -> three folders. What is finished
is not done again; what was stopped goes on, and keeps a log. `quality.py` measures the result.
"""
