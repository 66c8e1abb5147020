"""The recipe of the embedded judge: `python -m recipes.judge`.

drawn faces -> aligned crops -> reconstructions of some, edits of others -> training -> region of drawn faces
-> folder. What is finished is not done again; what was stopped goes on. `quality.py` measures the result.
"""
