"""Editors behind a command: every fault is a failure with a reason, never a crash and never a hang."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from editors import editor_examples
from editors.editor_examples import a_task
from PIL import Image, ImageEnhance

from pixelsmile.editors.command import MAX_FRUITLESS_STARTS, CommandEditor
from pixelsmile.editors.editor import EditOutcome
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_file

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "bench_editor.py"
STRENGTHS = (0.0, 0.5, 1.0)
PICTURE = Image.radial_gradient("L").resize((40, 40)).convert("RGB")


Start = Callable[..., CommandEditor]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """Where all commands of this file live."""
    with asyncio.Runner() as runner:
        runners[:] = [runner]
        yield runner


runners: list[asyncio.Runner] = []


@pytest.fixture
def start(tmp_path: Path, loop: asyncio.Runner) -> Iterator[Start]:
    """Starts editors, and closes them; their folder is the test's own."""
    editors = []

    def make(command: str, timeout_s: float = 600.0, max_concurrency: int = 1) -> CommandEditor:
        how = {"timeout_s": timeout_s, "max_concurrency": max_concurrency}
        editors.append(CommandEditor(command, tmp_path, **how))
        return editors[-1]

    yield make
    for editor in editors:
        loop.run(editor.close())
    assert [path.name for path in tmp_path.iterdir() if path.name != "editor.log"] == []


def odd(start: Start, timeout_s: float = 600.0) -> CommandEditor:
    return start(f"{sys.executable} {HERE / 'odd_command.py'}", timeout_s)


def sweep(editor: CommandEditor, misdeeds: dict[str, str] | None = None) -> dict[float, EditOutcome]:
    """By strength; what was made shows the source."""
    task = a_task(prompt=json.dumps(misdeeds or {}), box=(1.0, 2.0, 30.0, 40.0))
    made = editor_examples.sweep(editor, task, PICTURE, STRENGTHS, 5, runners[0])
    assert len(made) == len(STRENGTHS)
    assert all((one.image is None) != (one.failure is None) for one in made)
    assert all(one.image.tobytes() == PICTURE.tobytes() for one in made if one.image is not None)
    return {one.strength: one for one in made}


def failures(made: dict[float, EditOutcome]) -> dict[float, str]:
    return {strength: one.failure for strength, one in made.items() if one.failure is not None}


def test_the_example(start, tmp_path):
    editor = start(f"{sys.executable} {EXAMPLE}")
    outcomes = editor_examples.sweep(editor, a_task(), PICTURE, STRENGTHS, 0, runners[0])
    made = {one.strength: one.image for one in outcomes}
    assert set(made) == set(STRENGTHS)
    assert made[0.0].tobytes() == PICTURE.tobytes()
    assert made[0.5].tobytes() == ImageEnhance.Color(PICTURE).enhance(1.5).tobytes()
    record = editor.to_record()
    assert record["files"] == {str(EXAMPLE): sha256_file(EXAMPLE)}
    assert (tmp_path / "editor.log").read_bytes() == b""


def test_one_start_for_many_tasks_and_answers_in_any_order(start, tmp_path):
    editor = odd(start)
    assert failures(sweep(editor)) == {}
    program = editor._program
    made = sweep(editor, {"0.0": "late", "0.5": "late"})
    assert list(made) == [1.0, 0.5, 0.0]
    assert failures(made) == {}
    assert editor._program is program


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        ("error", "the editor said: no face was found"),
        ("die", "the command ended before it had answered (exit code 3); its last words: my last words"),
        ("leave an orphan", "the command ended before it had answered (exit code 3)"),
        ("nonsense", "answered 'Loading: 100%', which is no answer to a job"),
        ("unknown job", """answered '{"job": 999, "ok": true}', which is no answer to a job"""),
        ("neither", "answered neither ok nor error"),
        ("no file", "answered ok, but wrote no picture to out_path"),
        ("garbage", "what it wrote is damaged"),
        ("twice", None),
    ],
)
def test_one_misdeed_costs_one_edit(start, tmp_path, misdeed, reason):
    editor = odd(start)
    started = time.monotonic()
    failed = failures(sweep(editor, {"0.5": misdeed}))
    assert set(failed) == (set() if reason is None else {0.5})
    assert failed.get(0.5, "").startswith(reason or "")
    assert failures(sweep(editor)) == {}  # and it goes on
    assert time.monotonic() - started < 30
    assert (tmp_path / "editor.log").read_text() == ("my last words\n" if misdeed == "die" else "")


@pytest.mark.parametrize("misdeed", ["hang", "chatter for ever"])
def test_silence_and_chatter_end(start, misdeed):
    editor = odd(start, timeout_s=4.0)
    failed = failures(sweep(editor, {"0.5": misdeed}))
    assert failed[0.5] == "no answer for 4 s; does it flush its answers? (it was stopped)"
    assert failures(sweep(editor)) == {}


async def ended(program) -> None:
    while not program.has_ended:
        await asyncio.sleep(0.01)


def test_to_end_with_nothing_to_do_is_no_fault(start, loop):
    editor = odd(start)
    assert failures(sweep(editor, {"1.0": "answer and end"})) == {}
    program = editor._program
    assert program is not None
    loop.run(ended(program))
    assert failures(sweep(editor)) == {}
    assert editor._program is not program


def test_a_line_without_end_is_no_answer(start):
    failed = failures(sweep(odd(start), {"0.0": "endless line"}))
    assert failed[0.0].startswith("answered 'a line without end'")
    assert len(failed[0.0]) < 200


def test_a_command_that_never_answers_is_given_up(start, tmp_path):
    log = tmp_path / "editor.log"
    editor = start(f"""{sys.executable} -c "import sys; sys.exit('no GPU')" """)
    failed = failures(sweep(editor)) | {2.0 + s: f for s, f in failures(sweep(editor)).items()}
    assert len(failed) == 2 * len(STRENGTHS)
    assert log.read_text() == "no GPU\n" * MAX_FRUITLESS_STARTS
    assert failed[3.0] == (
        "the command was started 3 times in vain: the command ended before it had answered (exit code 1); "
        "its last words: no GPU"
    )


def test_a_command_that_reads_nothing_is_no_hang(start):
    editor = start(f'{sys.executable} -c "import time; time.sleep(60)"', timeout_s=0.3)
    task = a_task(prompt="x" * 200_000)  # more than a pipe holds
    made = editor_examples.sweep(editor, task, PICTURE, STRENGTHS, 0, runners[0])
    assert [one.failure is None for one in made] == [False] * 3


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("nonesuch-program x", "no program 'nonesuch-program'"),
        ("python 'x", "check its quotes"),
        (" ", "no command"),
    ],
)
def test_commands_that_cannot_be(tmp_path, command, reason):
    with pytest.raises(InputError, match=reason):
        CommandEditor(command, tmp_path)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("b'one\\ntwo \\n \\n'", "two"),
        ("b'\\x1b[31mred\\x07\\xff'", "\\x1b[31mred\\x07�"),
        ("b'x' * 100_000 + b' the end'", "x the end"),
        ("b''", None),
    ],
)
def test_last_words_are_one_short_printable_line(start, said, words):
    script = f"import sys; sys.stderr.buffer.write({said}); sys.exit(1)"
    reason = failures(sweep(start(f'{sys.executable} -c "{script}"')))[0.0]
    assert reason.isprintable()
    assert len(reason) <= 300
    assert reason.endswith("(exit code 1)" if words is None else words)
