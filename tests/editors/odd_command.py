"""An editor for tests that behaves as the prompt says: JSON, from a strength to a misdeed."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

late: list[str] = []


def say(answer: object) -> None:
    print(answer if isinstance(answer, str) else json.dumps(answer), flush=True)


def work(job: dict, misdeed: str | None) -> None:
    number, ok = job["job"], {"job": job["job"], "ok": True}
    out = Path(job["out_path"])
    match misdeed:
        case "error":
            say({"job": number, "error": "no face\nwas found"})
            return
        case "die":
            print("my last words", file=sys.stderr)
            os._exit(3)
        case "leave an orphan":
            subprocess.Popen(["sleep", "3"], start_new_session=True)  # it keeps stdout open
            os._exit(3)
        case "hang":
            time.sleep(60)
        case "chatter for ever":
            while True:
                say({"job": 1, "ok": True})
        case "nonsense":
            say("Loading: 100%")
        case "endless line":
            sys.stdout.write("x" * 3_000_000 + "\n")
        case "unknown job":
            say({"job": 999, "ok": True})
        case "neither":
            say({"job": number})
            return
        case "no file":
            say(ok)
            return
        case "garbage":
            out.write_bytes(b"\x89PNG garbage")
            say(ok)
            return
        case "late":
            shutil.copy(job["source_path"], out)
            late.append(json.dumps(ok))
            return
        case "answer and end":
            shutil.copy(job["source_path"], out)
            say(ok)
            sys.exit()
        case "twice":
            shutil.copy(job["source_path"], out)
            say(ok)
    shutil.copy(job["source_path"], out)
    say(ok)
    while late:
        say(late.pop())


for line in sys.stdin:
    asked = json.loads(line)
    work(asked, json.loads(asked["prompt"]).get(str(asked["strength"])))
