"""What the program says to hostile input: seeded files of every kind that a stranger can hand in.

    python perf/fuzz [--count 3000] [--seed 0] [--only lora,yaml]     makes inputs, tells what came of them
    python perf/fuzz --replay FOLDER                                  the same of files kept before

Each input is a valid file of its kind, mutated, or holds one of the special values that break parsers. It is
read by the program's own code in a child process. What must never happen: another exception than a
PixelSmileError (traceback), more than LIMIT_S seconds (hang), a message of several lines or of more than 300
characters (long). Such inputs are kept in --keep, as KIND_SEED_NUMBER_WHAT, which --replay understands. Exit
code 1 where there is one, or where a valid file is refused.
"""

import argparse
import csv
import random
import sys
from collections import Counter
from pathlib import Path

from mutation import mutated
from reader import Reader

GOOD = ("accepted", "refused")


def main() -> int:
    """Read the inputs, and print a row a kind, or a row an input at a replay."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds, with commas")
    parser.add_argument("--replay", type=Path, metavar="FOLDER")
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"))
    options = parser.parse_args()
    sys.set_int_max_str_digits(0)  # of what is written here; the child reads with its own limit
    reader = Reader([name for name in options.only.split(",") if name])
    return replay(reader, options.replay) if options.replay else fuzz(reader, options)


def replay(reader: Reader, folder: Path) -> int:
    """A row an input."""
    bad = 0
    for path in sorted(folder.iterdir()):
        stem = path.name.replace("-", "_")
        name = max((kind for kind in reader.valid if stem.startswith(kind)), key=len, default=None)
        if name is None:
            print(f"{path.name:<36} (no kind of that name)")
            continue
        what, message = reader.read(name, path if path.is_dir() else path.read_bytes())
        bad += what not in GOOD
        print(f"{path.name:<36} {what:<10} {message[:150]!r}", flush=True)
    return int(bad > 0)


def fuzz(reader: Reader, options: argparse.Namespace) -> int:
    """A row a kind, and the bad inputs in a folder."""
    names = list(reader.valid)
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for name in names:
        for data in reader.valid[name]:
            what, message = reader.read(name, data)
            if what != "accepted" and name != "args":
                found[name]["valid refused"] += 1
                print(f"{name}, a valid one: {what}: {message[:200]!r}", file=sys.stderr, flush=True)
    for number in range(options.count):
        name = names[number % len(names)]
        rng = random.Random(f"{options.seed}-{number}")
        data = mutated(rng.choice(reader.valid[name]), rng)
        what, message = reader.read(name, data)
        found[name][what] += 1
        if what not in GOOD:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{name}_{options.seed}_{number}_{what}").write_bytes(data)
            print(f"{name} {number}: {what}: {message[:200]!r}", file=sys.stderr, flush=True)
    columns = (*GOOD, "traceback", "crash", "hang", "long", "valid refused")
    writer = csv.writer(sys.stdout, delimiter="\t")
    writer.writerow(("kind", *columns))
    for name, counts in found.items():
        writer.writerow((name, *(counts[column] for column in columns)))
    total = sum(found.values(), Counter())
    writer.writerow(("all", *(total[column] for column in columns)))
    return int(any(total[column] for column in columns[2:]))


if __name__ == "__main__":
    sys.exit(main())
