"""Thin typed methods, one module per family of the API. A method only describes an operation."""
