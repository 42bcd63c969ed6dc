"""Domains and their mailboxes."""
