"""Types what the README and the pages of this folder say, in a fresh clone, and tells what came of it.

    python docs/walk.py [--page README.md] [--keep FOLDER]

A block fenced as sh is run as it stands, line by line, in one shell a page; one fenced as python in that
installation. A word after `sh` says what a block needs that is not here, and then it is not run: gpu, hub (a
download), files (of your own), server, hours. There, every line that calls pixelsmile is still parsed by the
program. Exit code 1 where anything fails.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDS = ("gpu", "hub", "files", "server", "hours")
_BLOCK = re.compile(r"^```(sh|python)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROBE = "--no-such-option-at-all"  # parsed last: the program names the first option that it does not know
_LIMIT_S = 900


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what it needs (or None), its text, and the line where it begins."""

    page: str
    line: int
    language: str
    needs: str | None
    text: str

    def commands(self) -> list[str]:
        """Its commands, lines that end in a backslash joined, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.split("\n")]
        return [line for line in lines if line]


def pages() -> list[Path]:
    """The README first, then the pages by their names."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page; ValueError for a need that is not known."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        language, needs, inside = match.groups()
        if needs is not None and needs not in NEEDS:
            raise ValueError(f"{page.name}: a block needs {needs!r}; known are {', '.join(NEEDS)}")
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page.relative_to(ROOT).as_posix(), line, language, needs, inside))
    return found


def problem_of(command: str, run: list[str]) -> str | None:
    """What the program does not understand of a command that is not run; None for one of another program.

    run: how the program is called, such as ["pixelsmile"].
    """
    if not command.startswith("pixelsmile "):
        return None
    script = f"{' '.join(run)}{command.removeprefix('pixelsmile')} {_PROBE}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=_LIMIT_S)
    return None if _PROBE in done.stderr + done.stdout else (done.stderr or done.stdout).strip()


def walk(folder: Path, page: Path) -> int:
    """Run a page in the clone in `folder`; how many of its commands failed."""
    shell = subprocess.Popen(
        ["bash"],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder / '.venv' / 'bin'}:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    failures = 0
    for block in blocks(page):
        if block.language == "python":
            (folder / "block.py").write_text(block.text)
        for command in ["python block.py"] if block.language == "python" else block.commands():
            started = time.monotonic()
            if block.needs is None:
                code, said = _typed(shell, command)
            else:
                problem = problem_of(command, [str(folder / ".venv/bin/pixelsmile")])
                code, said = int(problem is not None), problem or ""
            failures += code != 0
            verdict = "failed" if code else "ran" if block.needs is None else f"parsed ({block.needs})"
            seconds = f"{time.monotonic() - started:6.1f} s"
            print(f"{verdict:<15} {seconds}  {block.page}:{block.line}  {command}", flush=True)
            if code:
                print(said[-2000:], flush=True)
    shell.communicate("exit\n")
    return failures


def _typed(shell: "subprocess.Popen[str]", command: str) -> tuple[int, str]:
    """The exit code and the output of a command in a shell that stays."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(f'{command} < /dev/null\necho "[exit code $?]"\n')
    shell.stdin.flush()
    said = []
    for line in shell.stdout:
        if match := re.search(r"\[exit code (\d+)\]$", line):
            return int(match[1]), "".join(said)
        said.append(line)
    return 1, "".join(said) + "the shell ended"


def main() -> int:
    """Clone, walk, and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="append", default=[], help="only these")
    parser.add_argument("--keep", type=Path, help="clone to this folder, and leave it there")
    options = parser.parse_args()
    names = [name.removeprefix("./") for name in options.page]
    chosen = [page for page in pages() if not names or page.relative_to(ROOT).as_posix() in names]
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "pixelsmile"
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        if chosen[:1] != pages()[:1]:  # the README begins with it
            subprocess.run(["make", "venv"], cwd=folder, check=True)
        failures = 0
        for page in chosen:
            failures += walk(folder, page)
            # What a page has made stands in the way of nobody's next one.
            subprocess.run(
                ["git", "clean", "-fdxq", "-e", ".venv", "-e", "*.egg-info"], cwd=folder, check=True
            )
    print(f"{failures} failed" if failures else "all of it works")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
