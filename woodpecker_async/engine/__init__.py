"""The path of a request, in order.

`operation` (what resources describe) → `call` (merges options, waits for a turn in `lanes`, notifies `observe`) →
`transport` (one attempt) → `protocol` (classifies the response) → on failure `retry` → `codec` (builds the model).

Helpers: `credentials` (the key), `semaphore` and `window` (the parts of a lane), `envelopes` (error bodies), `clock`.
"""
