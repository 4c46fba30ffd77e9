"""Run a script of SpArch with our neurons: python -m silif_plugins.sparch run_exp.py --model_type SiLIF ..."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

from .registration import register


def main() -> None:
    """Register our neurons in the SpArch that lies beside a script, and run the script as if it were called itself."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python -m silif_plugins.sparch PATH/TO/run_exp.py --model_type SiLIF ...")
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    register(importlib.import_module("sparch.models.snns"))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
