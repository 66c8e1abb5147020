"""Table 2 of the paper in miniature, seven ways to control one base: `python -m recipes.controls`.

drawn triplets -> trainings of equal cost, edits, verdicts (the product's own commands) -> table and curves.
"""
