"""The studio: expressions by sliders, in a browser."""
