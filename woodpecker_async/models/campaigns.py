"""Campaigns, their settings and steps."""
