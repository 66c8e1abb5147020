"""The user study (PixelSmile, section 5.5): people rank sweeps without knowing whose they are."""
