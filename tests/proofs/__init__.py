"""Proofs of the design's promises, each in a short form and, for some, a long form (`-m long`)."""
