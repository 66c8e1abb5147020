"""`python -m pixelsmile`."""

import sys

from pixelsmile.cli import main

if __name__ == "__main__":
    sys.exit(main())
