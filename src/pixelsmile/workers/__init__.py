"""Work in other processes, on this machine or on those of a Ray cluster, which may die over it."""
