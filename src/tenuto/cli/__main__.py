"""``python -m tenuto.cli``: the same as ``tenuto``."""

import sys

from tenuto.cli.main import main

sys.exit(main())
