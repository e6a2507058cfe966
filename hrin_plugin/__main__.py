"""``python -m hrin_plugin``: checks the Python environment."""

import sys

from hrin_plugin.doctor import main

sys.exit(main())
