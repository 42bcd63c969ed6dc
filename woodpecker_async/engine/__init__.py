"""The one way of a request. In the order it happens.

`operation` (what resources describe) → `call` (merges options, asks `lanes` for a turn, tells `observe`) →
`transport` (one attempt) → `protocol` (judges the answer) → on failure `retry` → `codec` (builds the model).

Beside the way: `credentials` (the key), `semaphore` and `window` (what a lane is made of), `envelopes` (what error
bodies say), `clock`.
"""
