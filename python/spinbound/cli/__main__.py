"""`python -m spinbound.cli` does what the command `spinbound` does."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
