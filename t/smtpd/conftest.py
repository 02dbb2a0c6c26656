import sys

import thurn

sys.path.insert(0, str(thurn.ROOT / "t/directoryd"))
