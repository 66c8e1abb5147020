"""A scorer of one's own in one class; what a pass over a run keeps, refuses and takes up; lines of before."""

import json

import numpy as np
import pytest
from run_examples import UNMADE, begin_run, edit_record, judge_run, make_edits, png_of, scores_file, write_run

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.report.ffe import ffe_lines, ffe_page
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import JudgeSettings, judge_stem, judges_of
from pixelsmile.benchmarks.scorers.scorer import (
    Edit,
    Scorer,
    ScoreRecord,
    Scoring,
    score_records,
    scored_edits,
    settings_at,
)
from pixelsmile.benchmarks.scores import Score, outcome_of
from pixelsmile.errors import InputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.judges import NoVerdict
from pixelsmile.remote import BudgetSpentError, RemoteError
from pixelsmile.store.json_lines import LineWriter, Record, read_lines

QUICK = Bootstrap(num_replicates=100)


class SharpnessSettings(Record):
    step_px: int = 1


class Sharpness(Scorer):
    """How much neighbouring pixels differ; nothing of a few edits, and an end where it is told to."""

    name = "sharpness"

    def __init__(self, step_px: int = 1, ends: dict[int, Exception] | None = None) -> None:
        self.settings = SharpnessSettings(step_px=step_px)
        self.asked: list[Edit] = []
        self._ends = ends or {}

    async def score(self, edit: Edit) -> Score:
        self.asked.append(edit)
        if len(self.asked) in self._ends:
            raise self._ends[len(self.asked)]
        if edit.task.target == "disgust":
            return Score(unscored="I do not look at that")
        pixels_HWC = np.asarray(load_image(edit.picture), np.float64)
        step = self.settings.step_px
        difference = np.abs(pixels_HWC[:, step:] - pixels_HWC[:, :-step]).mean()
        return Score(values={"sharpness": float(difference)})


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    """24 edits, of which 23 were made."""
    folder = begin_run(tmp_path / "run")
    make_edits(folder)
    return folder


def scored(folder: RunFolder, scorer: Scorer, **settings) -> list[ScoreRecord]:
    return list(Scoring(folder, scorer, **settings))


def test_a_scorer_of_ones_own_runs_resumes_and_is_in_the_results(folder):
    judge_run(folder)
    before = load_results(folder, bootstrap=QUICK)
    passed = iter(Scoring(folder, Sharpness()))
    first = [next(passed) for _ in range(5)]
    passed.close()
    scorer = Sharpness()
    assert len(scored(folder, scorer)) == 23 - 5
    assert {edit.key for edit in scorer.asked}.isdisjoint(record.key for record in first)
    assert scored(folder, Sharpness()) == []

    results = load_results(folder, bootstrap=QUICK)
    record = results.as_json()
    found = record.pop("scores")["sharpness/sharpness"]
    by_strength = record.pop("scores_by_strength")["sharpness/sharpness"]
    assert sum(values["n_scored"] for values in by_strength.values()) == found["n_scored"]
    assert record == before.as_json()
    values = [edit.score("sharpness").value for edit in results.edits]
    known = [value for value in values if value is not None]
    assert found["value"] == pytest.approx(np.mean(known))
    assert (found["n_scored"], found["n_samples"]) == (20, 4)
    assert found["unscored"] == {
        "I do not look at that": 3,
        "the editor made none: the process ended with code 1": 1,
    }
    assert found["low"] < found["value"] < found["high"]

    (line,) = [line for line in ffe_lines({"mine": results}) if line.startswith("sharpness/sharpness ")]
    assert line.split() == [
        "sharpness/sharpness",
        f"{found['value']:.3f}",
        f"{found['low']:.3f}..{found['high']:.3f}",
        *("20", "edits", "4"),
        *["–"] * (len(line.split()) - 6),  # of the domains
    ]
    page = ffe_page({"mine": results})
    assert "<h3>Other scorers</h3>" in page
    assert f"<td>sharpness/sharpness</td><td>{found['value']:.3f}</td>" in page
    assert "Other scorers" not in ffe_page({"mine": before})


def test_what_it_is_given(folder):
    scorer = Sharpness()
    scored(folder, scorer)
    edit = scorer.asked[0]
    assert edit.key == ("human-0", "happy", 0.0)
    assert edit.picture == folder.path / folder.edit_name(edit.key)
    assert (edit.source, edit.truth) == (folder.source_file("human-0"), None)
    assert edit.sha256 == sha256_bytes(edit.picture.read_bytes())


def test_a_score_is_on_disk_before_it_is_seen(folder):
    for number, record in enumerate(Scoring(folder, Sharpness()), 1):
        lines = read_lines(scores_file(folder, "scores/sharpness"), ScoreRecord)
        assert (len(lines), lines[-1]) == (number, record)


def test_an_edit_that_was_made_anew_is_scored_anew(folder):
    scored(folder, Sharpness())
    key = ("human-0", "happy", 0.5)
    png = png_of(load_image(folder.source_file("human-0")))
    (folder.path / folder.edit_name(key)).write_bytes(png)
    with LineWriter(folder.edits_file) as lines:
        lines.write(edit_record(key, file=folder.edit_name(key), sha256=sha256_bytes(png)))
    assert key not in score_records(folder, "scores/sharpness")
    assert [record.key for record in scored(folder, Sharpness())] == [key]


def test_other_settings_are_refused_in_one_line_and_begin_again_with_force(folder):
    scored(folder, Sharpness())
    said = "was scored for sharpness with step_px = 1, not 2: use that, or score all again with --force"
    with pytest.raises(InputError, match=said):
        Scoring(folder, Sharpness(2))
    assert settings_at(folder, "scores/sharpness", SharpnessSettings).step_px == 1
    assert len(scored(folder, Sharpness(2), force=True)) == 23
    assert settings_at(folder, "scores/sharpness", SharpnessSettings).step_px == 2
    assert scored(folder, Sharpness(2), force=True) == []


def test_a_budget_ends_a_pass_and_leaves_the_rest(folder):
    scoring = Scoring(folder, Sharpness(ends={8: BudgetSpentError("all is spent")}))
    assert (len(list(scoring)), scoring.stopped, scoring.num_left) == (7, "all is spent", 16)
    with pytest.raises(RemoteError, match="no such model"):
        scored(folder, Sharpness(ends={4: RemoteError("no such model")}))
    assert len(scored(folder, Sharpness())) == 23 - 7 - 3


def test_a_picture_that_is_not_the_one_that_was_made_is_refused_before_any_work(folder):
    *_, key = (key for key in folder.spec().edit_keys() if key != UNMADE)
    (folder.path / folder.edit_name(key)).unlink()
    scorer = Sharpness()
    with pytest.raises(InputError, match="is missing: put it back"):
        scored(folder, scorer)
    assert scorer.asked == []


def test_no_verdict_is_never_a_zero(folder):
    scored(folder, Sharpness())
    edits = {edit.key: edit for edit in scored_edits(folder, {})}
    assert edits["anime-0", "disgust", 1.0].score("sharpness").value is None
    assert edits[UNMADE].score("sharpness").unscored.startswith("the editor made none")


HEAD = {"source": "human-0", "target": "happy", "strength": 1.0}
EARLIER = [
    ("identity", {"similarities": {"arcface": 0.5}, "no_identity": None}, Score(values={"arcface": 0.5})),
    (
        "identity",
        {"similarities": {"arcface": None}, "no_identity": "no face found"},
        Score(values={"arcface": None}, unscored="no face found"),
    ),
    (
        "background",
        {"rmse": 3.0, "share": 0.75, "no_background": None},
        Score(values={"rmse": 3.0, "share": 0.75}),
    ),
    (
        "changes/x",
        {"change": None, "expected": None, "no_change": "edit: no face found", "seen": {"source": [0.5]}},
        Score(
            values={"change": None, "expected": None},
            unscored="edit: no face found",
            metadata={"seen": {"source": [0.5]}},
        ),
    ),
    ("singles", {"values": {"psnr_truth": 30.0}, "no_values": None}, Score(values={"psnr_truth": 30.0})),
    (
        "judges/x",
        {"outcome": {"kind": "mark", "judge": "j", "mark": 7.5, "reason": "fine", "transcript": ["7.5"]}},
        Score(values={"mark": 7.5}, explanation="fine", metadata={"transcript": ["7.5"]}),
    ),
    (
        "judges/x",
        {"outcome": {"kind": "none", "judge": "j", "reason": "refused", "detail": "no", "transcript": []}},
        Score(
            unscored="the judge refused", explanation="no", metadata={"transcript": [], "reason": "refused"}
        ),
    ),
]


@pytest.mark.parametrize(("place", "line", "score"), EARLIER)
def test_lines_of_before_are_read(folder, place, line, score):
    key = tuple(HEAD.values())
    path = scores_file(folder, place)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**HEAD, "edit_sha256": folder.edits()[key].sha256, **line}) + "\n")
    assert score_records(folder, place)[key].score == score


def test_an_outcome_of_before_that_is_none_is_one_line(folder):
    path = scores_file(folder, "judges/x")
    path.parent.mkdir()
    path.write_text(json.dumps({**HEAD, "edit_sha256": "0" * 64, "outcome": {"kind": "opinion"}}) + "\n")
    with pytest.raises(InputError, match=r"'.*judges/x.jsonl', line 1: .*opinion") as error:
        score_records(folder, "judges/x")
    assert "\n" not in str(error.value)


def test_a_refusal_is_read_back_as_one(folder):
    score = Score(unscored="the judge refused", explanation="400", metadata={"reason": "refused"})
    assert outcome_of(score, "j") == NoVerdict("j", "refused", "400")


def test_a_judge_s_file_under_another_name_is_refused(tmp_path):
    folder = write_run(tmp_path / "run")
    (judge_id,) = judges_of(folder)
    path = folder.path / f"{judge_stem(judge_id)}.json"
    assert settings_at(folder, judge_stem(judge_id), JudgeSettings).id == judge_id
    path.rename(path.with_name("other.json"))
    with pytest.raises(InputError, match="in a file of another name: move it away"):
        judges_of(folder)
