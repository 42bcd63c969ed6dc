"""`python -m woodpecker_async.cli`."""

import sys

from woodpecker_async.cli import main

sys.exit(main())
