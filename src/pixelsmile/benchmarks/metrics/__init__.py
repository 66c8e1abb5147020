"""The metrics of FFE-Bench and FED-Bench: pure functions on arrays, in float64."""
