"""``python -m spinbound.cli`` does what the command ``spinbound`` does."""

import sys

from . import main

sys.exit(main())
