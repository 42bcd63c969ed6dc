"""Prospects: who is written to."""
