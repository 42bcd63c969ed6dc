"""Leads, and their enrichment."""
