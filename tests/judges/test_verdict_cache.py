"""The cache of verdicts: keyed by content, shared by processes, whole after kill -9."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from model_examples import picture_of, png_of, question_of

from pixelsmile.errors import InputError, OutputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.hashing import sha256_json
from pixelsmile.judges import (
    JudgeIdentity,
    NoVerdict,
    Question,
    Verdict,
    VerdictCache,
    cache_key,
)

JUDGE = JudgeIdentity("p", "m", "r-1", "00", {})
QUESTION = question_of(0)
KEY = cache_key(JUDGE, QUESTION)
IN_ANIME = Question.read(png_of(0), "anime")


def verdict(happy: float = 0.5) -> Verdict:
    return Verdict(
        JUDGE.id, {**dict.fromkeys(EXPRESSIONS, 0.0), "happy": happy}, "happy", ("raw", "rohe Antwort ä")
    )


def test_what_is_kept_is_found(tmp_path):
    path = tmp_path / "new" / "cache.sqlite"
    with VerdictCache(path) as cache:
        assert cache.find(KEY) is None
        assert cache.keep(JUDGE, QUESTION, verdict()) == verdict()
    with VerdictCache(path) as cache:
        assert cache.find(KEY) == verdict()
        assert cache.find(cache_key(JUDGE, IN_ANIME)) is None


def test_keys_are_content():
    other_judge = JudgeIdentity("p", "m", "r-1", "00", {"seed": 1})
    keys = [
        KEY,
        cache_key(other_judge, QUESTION),
        cache_key(JUDGE, question_of(1)),
        cache_key(JUDGE, IN_ANIME),
    ]
    assert len(set(keys)) == 4
    assert cache_key(JUDGE, Question.read(png_of(0), "human")) == KEY


def test_caches_from_before_there_were_questions_stay_valid():
    assert sha256_json([JUDGE.sha256, picture_of(0).sha256, "human"]) == KEY
    assert KEY == "d9dee3b6dc259711e627a96e830766aa1f6cd46584ae4a606963a2ac29ae75ff"


def test_no_verdict_is_kept_until_there_is_one(tmp_path):
    nothing = NoVerdict(JUDGE.id, "refused", "SAFETY", ("raw",))
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        cache.keep(JUDGE, QUESTION, nothing)
        assert not cache.has_verdicts(JUDGE)
        assert cache.find(KEY) == nothing
        cache.keep(JUDGE, QUESTION, verdict())
        assert cache.find(KEY) == verdict()
        assert cache.keep(JUDGE, QUESTION, nothing) == verdict()
        assert cache.find(KEY) == verdict(), "a verdict stays"
        assert cache.has_verdicts(JUDGE)
        assert not cache.has_verdicts(JudgeIdentity("p", "another", "r-1", "00", {}))


def test_a_file_that_another_process_makes_just_now_is_waited_for(tmp_path):
    other = sqlite3.connect(tmp_path / "cache.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.3, other.execute, ("COMMIT",))
    release.start()
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        assert cache.find(KEY) is None
    release.join()
    other.close()


def test_the_first_verdict_counts(tmp_path):
    with VerdictCache(tmp_path / "cache.sqlite") as one, VerdictCache(tmp_path / "cache.sqlite") as other:
        one.keep(JUDGE, QUESTION, verdict(0.25))
        assert other.keep(JUDGE, QUESTION, verdict(0.75)) == verdict(0.25)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text"
    text.write_text("hello\n" * 1000)
    with pytest.raises(InputError, match="no cache of verdicts"):
        VerdictCache(text)
    database = sqlite3.connect(tmp_path / "other.sqlite")
    database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(InputError, match="of this version"):
        VerdictCache(tmp_path / "other.sqlite")
    with pytest.raises(OutputError, match="cannot"):
        VerdictCache(text / "cache.sqlite")
    with pytest.raises(OutputError, match="cannot"):
        VerdictCache(tmp_path)


@pytest.mark.parametrize(
    "outcome",
    [
        "",
        "null",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        '{"kind": "verdict"}',
        '{"kind": "none", "judge": "j", "reason": "tired", "detail": "", "transcript": []}',
        '{"kind": "none", "judge": "j", "reason": "empty", "detail": "\\ud800", "transcript": []}',
        '{"kind": "mark", "judge": "j", "mark": NaN, "reason": "r", "transcript": []}',
        '{"kind": "mark", "judge": "j", "mark": 1e999, "reason": "r", "transcript": []}',
        '{"kind": "mark", "judge": ["j"], "mark": true, "reason": "r", "transcript": {}}',
        "x" * 1_000_000,
        b"\xff\xfe".decode("latin-1"),
    ],
)
def test_whatever_is_in_the_file_is_one_line(tmp_path, outcome):
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        cache.keep(JUDGE, QUESTION, verdict())
        cache._database.execute("UPDATE outcomes SET outcome = ?", (outcome,))
        with pytest.raises(InputError, match="damaged verdict") as caught:
            cache.find(KEY)
        cache._database.execute("UPDATE outcomes SET outcome = CAST(x'fffe' AS TEXT)")
        with pytest.raises((InputError, OutputError), match="cache"):
            cache.find(KEY)
    assert len(str(caught.value)) <= 300


def test_a_file_that_works_on_its_own_is_refused(tmp_path):
    endless = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS key, x AS outcome FROM n"
    )
    for number, statement in enumerate(
        (
            f"CREATE VIEW outcomes AS {endless}",
            "CREATE TABLE outcomes (key); CREATE TRIGGER t AFTER INSERT ON outcomes BEGIN SELECT 1; END",
            "CREATE TABLE mine (x)",
        )
    ):
        path = tmp_path / f"{number}.sqlite"
        database = sqlite3.connect(path)
        database.executescript(f"{statement}; PRAGMA user_version = 1;")
        database.close()
        with pytest.raises(InputError, match="no cache of verdicts"):
            VerdictCache(path)


def test_bytes_that_are_no_text_are_no_traceback(tmp_path):
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        cache.keep(JUDGE, QUESTION, verdict())
    data = (tmp_path / "cache.sqlite").read_bytes()
    (tmp_path / "cache.sqlite").write_bytes(data.replace(b"domain TEXT", b"domain \xceEXT"))
    with pytest.raises((InputError, OutputError), match="cache"):
        VerdictCache(tmp_path / "cache.sqlite")


def test_a_pipe_is_no_cache(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises((InputError, OutputError), match="cache"):
        VerdictCache(tmp_path / "pipe")


def test_a_damaged_verdict_is_not_guessed(tmp_path):
    with VerdictCache(tmp_path / "cache.sqlite") as cache:
        cache.keep(JUDGE, QUESTION, verdict())
        cache._database.execute("UPDATE outcomes SET outcome = replace(outcome, '0.5', '5')")
        with pytest.raises(InputError, match="damaged verdict"):
            cache.find(KEY)


# Judges the samples [first, last) of 40 with 8 in flight, prints each key once its judgement has come out.
PROGRAM = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from model_examples import samples_of
from model_server import truth
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.judges import JudgeIdentity, Verdict, VerdictCache
from model_examples import JudgingRun

class Slow:
    identity = JudgeIdentity("p", "m", "r-1", "00", {{}})
    async def judge(self, question):
        print("asked", flush=True)
        await asyncio.sleep(0.02)
        scores, dominant = truth(question.sha256)
        return Verdict(self.identity.id, scores, dominant, (str({mark}),))
    async def aclose(self):
        pass

with VerdictCache({path!r}) as cache:
    for judgement in JudgingRun(Slow(), samples_of(40)[{first}:{last}], cache=cache, max_concurrency=8):
        print(judgement.key, flush=True)
"""


def start(path: Path, first: int = 0, last: int = 40, mark: int = 0) -> subprocess.Popen:
    program = PROGRAM.format(
        tests=str(Path(__file__).parent.parent), path=str(path), first=first, last=last, mark=mark
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def kept(path: Path) -> int:
    database = sqlite3.connect(path)
    try:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return database.execute("SELECT count(*) FROM outcomes WHERE is_verdict").fetchone()[0]
    finally:
        database.close()


def test_killed_and_resumed(tmp_path):
    path = tmp_path / "cache.sqlite"
    num_asked = 0
    for num_lines in (3, 21, 40):
        process = start(path)
        lines = [process.stdout.readline() for _ in range(num_lines)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.read().splitlines()
        process.stdout.close()
        process.wait()
        num_asked += lines.count("asked\n") + lines.count("asked")
        num_said = len({line for line in lines if line.startswith("sample")})
        assert num_said <= kept(path)
    process = start(path)
    lines = process.communicate()[0].splitlines()
    num_asked += lines.count("asked")
    assert len({line for line in lines if line.startswith("sample")}) == kept(path) == 40
    assert num_asked <= 40 + 3 * 8, "only what was in flight is asked again"


def test_several_processes(tmp_path):
    path = tmp_path / "cache.sqlite"
    processes = [
        start(path, first, last, mark) for mark, (first, last) in enumerate([(0, 30), (10, 40), (0, 40)])
    ]
    assert [process.communicate()[0].count("sample") for process in processes] == [30, 30, 40]
    assert kept(path) == 40
