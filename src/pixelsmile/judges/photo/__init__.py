"""The judge of photographs: expressions, and the marks of FED-Bench, by networks that ship."""
