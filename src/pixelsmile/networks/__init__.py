"""The small networks of this project's own, and the folders that they are kept in."""
