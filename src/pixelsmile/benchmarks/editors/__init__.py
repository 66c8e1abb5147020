"""Editors that a benchmark measures: ours, a folder of pictures, a command, and drawn ones for sanity."""
