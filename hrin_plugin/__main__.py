"""``python -m hrin_plugin``: tells whether this environment can work."""

import sys

from hrin_plugin.doctor import main

sys.exit(main())
