"""`python -m midfill_lsp.cli`, for where the `midfill` script is not on the path."""

import sys

from midfill_lsp.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
