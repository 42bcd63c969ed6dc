"""LinkedIn accounts."""
