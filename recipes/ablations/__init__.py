"""Table 3 of the paper in miniature, on the embedded model: `python -m recipes.ablations`.

variants -> trainings, edits, verdicts (the product's own commands) -> table of means and paired differences.
"""
