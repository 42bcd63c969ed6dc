"""`python -m woodpecker_async`: the command line."""

import sys

from woodpecker_async.cli import main

sys.exit(main())
