"""The SDK's error messages in the command line's terms: they name Python arguments, which are options here."""

import re
from typing import Final

_WORDS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Limits\(shared=\"host\"\)", "--shared host"),
        (r"Limits\.shared(_outage)?", "--shared"),
        (r"larger than Limits\.max_body \((\d+) bytes\)", r"larger than \1 bytes"),
        (r"give params= instead", "use --field name=value instead"),
        (r"for a private authority pass ssl_context=\S+", "for a private authority use --ca-file FILE"),
        (r"; the key is passed as api_key", ""),
        (r"\bbase_url\b", "the base URL"),
        (r"pass api_key=, or set the environment variable", "set"),
        (r"if it is the same account under a new key, set report\.account = None first", "begin without --resume"),
        (r"session\.request", "a path without --company"),
        (r"^proxy\b", "the proxy"),
        (r"check with agency\.users\.list\((\d+)\)", r"check with `guests list --company \1`"),
        (
            r"check with prospects\.list\(search=\{\"email\": \.\.\.\}\)",
            "check with `prospects list --search email=ADDRESS`",
        ),
        (r"check with agency\.companies\.list\(\)", "check with `companies list`"),
        (r"check with webhooks\.list\(\)", "check with `webhooks list`"),
        (r"give campaign_ids with it", "give --campaign with it"),
        (r"^target_url\b", "URL"),
        (r"\bfrom_date\b", "--from"),
        (r"\bto_date\b", "--to"),
        (r"search\['(\w+)'\]", r"--search \1"),
        (r"; `await session\.agency\.api_keys\.resolve\(error\)` checks again", ""),
        (r": if you read it from a file, strip\(\) it", ": a key is one line"),
        (r"go on with resume=run\.report", "go on with --resume, if a report was saved"),
        (r" \(max_pages=\d+\)", ""),
    )
)


def spoken(text: str) -> str:
    """An error's text, without advice that only a programmer could follow."""
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text
