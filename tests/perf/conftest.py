"""Scripts of perf/ import one another by their bare names: last on the path, where they hide nothing."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "perf"))
