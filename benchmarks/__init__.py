"""Why not just write it with aiohttp? Measured: `python -m benchmarks`."""
