"""Proofs of what the design promises: each in a short form here and, where it has one, a long form (`-m long`)."""
