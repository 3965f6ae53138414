"""`python -m midfill_engine.cli`, for where the `midfill-engine` script is not on the path."""

import sys

from midfill_engine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
