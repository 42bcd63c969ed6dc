"""Deliverability figures."""
