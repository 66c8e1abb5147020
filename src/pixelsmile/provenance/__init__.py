"""Where a picture comes from, said in the picture: a mark in its pixels, a signature in its file, and both
read."""
