"""How long `import pixelsmile` and `pixelsmile --help` take, in new processes.

    python perf/startup.py [--rounds 10]

Beside them the bare interpreter, which is the floor.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

from counts import whole

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import pixelsmile": ["-c", "import pixelsmile"],
    "pixelsmile --help": ["-m", "pixelsmile", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """The wall time of one new interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the median of each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=whole(), default=10)
    rounds = parser.parse_args().rounds
    for name, arguments in COMMANDS.items():
        print(f"{name:<18} {median(seconds(arguments) for _ in range(rounds)):.3f} s")


if __name__ == "__main__":
    main()
