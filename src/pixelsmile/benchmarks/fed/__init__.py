"""FED-Bench's data (the published triplets joined with SFEW, your own, drawn ones), measures and results."""
