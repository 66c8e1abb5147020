"""Nodes and plugins for other programs, which use the package as any program does."""
