"""A command for tests: it hands sources back, but only while it has four sweeps, or the last ones."""

import json
import random
import shutil
import sys

NUM_AT_ONCE, NUM_SWEEPS = 4, 12

waiting: dict[tuple[str, str], list[dict]] = {}
num_seen = 0
for line in sys.stdin:
    job = json.loads(line)
    sweep = waiting.setdefault((job["source_path"], job["target"]), [])
    num_seen += not sweep
    sweep.append(job)
    while len(waiting) == NUM_AT_ONCE or (num_seen == NUM_SWEEPS and waiting):
        key = random.choice(list(waiting))
        jobs = waiting.pop(key)
        if len(jobs) < 5:  # the rest of this sweep is on its way
            waiting[key] = jobs
            break
        random.shuffle(jobs)
        for each in jobs:
            shutil.copy(each["source_path"], each["out_path"])
            print(json.dumps({"job": each["job"], "ok": True}), flush=True)
