"""Who gives numbers to an edit: a file for each scorer. A new one is a `Scorer` (scorer.py), nothing else."""
