"""Thin typed methods, by family of the API. A method describes one operation, and no more."""
