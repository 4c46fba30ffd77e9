"""``python -m silif_plugins.cli``, the same as ``silif``."""

import sys

from . import main

if __name__ == "__main__":  # not in the processes of a comparison, which import it again
    sys.exit(main())
