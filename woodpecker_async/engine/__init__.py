"""The one way of a request. In the order it happens.

`operation` (what resources describe) → `call` (merges options, asks `lanes` for a turn, tells `observe`) →
`transport` (one attempt) → `protocol` (judges the answer) → on failure `retry` → `codec` (builds the model).
"""
