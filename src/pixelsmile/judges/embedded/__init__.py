"""The judge of drawn portraits: expressions, and the marks of FED-Bench."""
