"""Reports: what runs came to, as tables in the terminal and as pages that stand alone."""
