"""The results of a run: every edit, whose verdict, and what is missing."""

import json
from collections import Counter

import pytest
from run_examples import (
    FACELESS,
    FAILURE,
    REFUSED,
    STRENGTHS,
    UNMADE,
    begin_run,
    edit_record,
    example_identity,
    judge_run,
    keep_judge,
    make_edits,
    measure_run,
    outcome_of,
    scores_file,
    verdict_record,
    write_run,
)

from pixelsmile.benchmarks.ffe.results import PANEL, load_results
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import judge_stem
from pixelsmile.benchmarks.scores import NO_FACE, NOT_JUDGED, NOT_MADE, NOT_MEASURED
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.store.json_lines import LineWriter

QUICK = Bootstrap(num_replicates=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> RunFolder:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


def edit_of(results, key):
    return next(edit for edit in results.edits if edit.key == key)


def test_every_edit_is_there_in_the_order_of_the_specification(folder):
    results = load_results(folder, bootstrap=QUICK)
    assert [edit.key for edit in results.edits] == list(folder.spec().edit_keys())
    assert results.judge_id == example_identity("drawing").id
    assert results.identity.encoders.keys() == {"arcface", "adaface", "facenet"}


def test_what_is_missing_says_why(folder):
    results = load_results(folder, bootstrap=QUICK)
    assert edit_of(results, UNMADE).verdict.unscored == f"the editor made none: {FAILURE}"
    assert edit_of(results, UNMADE).identity.unscored == f"the editor made none: {FAILURE}"
    assert edit_of(results, REFUSED).verdict.unscored == "the judge refused"
    assert edit_of(results, FACELESS).identity.unscored == NO_FACE
    assert results.missing.not_made == {f"the editor made none: {FAILURE}": 1}
    assert results.missing.not_judged == {"the judge refused": 1}
    assert results.missing.no_identity == {NO_FACE: 1}
    assert results.summary.num_edits == 8 * len(STRENGTHS)
    assert results.summary.metrics["acc_12"].coverage.num_scored == 7


def test_the_numbers_of_a_faultless_editor(folder):
    """The judge sees what was drawn: every label is right, and the likeness is 1 - 0.2 s by construction."""
    results = load_results(folder, bootstrap=QUICK)
    assert results.summary.metrics["acc_12"].estimate.value == 1.0
    assert results.summary.metrics["mscr"].estimate.value == 0.0
    points = {point.strength: point.identity.value for point in results.summary.trade_off}
    assert points == pytest.approx({0.0: 1.0, 0.5: 0.9, 1.0: 0.8})


def test_by_domain(folder):
    results = load_results(folder, bootstrap=QUICK)
    assert {domain: summary.num_samples for domain, summary in results.by_domain.items()} == {
        "human": 2,
        "anime": 2,
    }
    assert results.by_domain["human"].metrics["acc_12"].coverage.num_scored == 3  # REFUSED is one of theirs


def test_a_run_on_its_way(tmp_path):
    folder = begin_run(tmp_path / "run")
    with pytest.raises(InputError, match=r"not judged yet: pixelsmile bench ffe judge"):
        load_results(folder)
    keys = folder.spec().edit_keys()
    make_edits(folder, keys[:6])
    judge_run(folder)
    make_edits(folder, keys[6:9])
    results = load_results(folder, bootstrap=QUICK)
    assert results.missing.not_made == {NOT_MADE: 15, f"the editor made none: {FAILURE}": 1}
    assert results.missing.not_judged == {NOT_JUDGED: 2, "the judge refused": 1}
    assert results.missing.no_identity == {"identity not measured": 8}
    assert results.identity is None
    assert results.summary.metrics["id_sim"].estimate.value is None


def test_a_verdict_on_an_older_picture_does_not_count(tmp_path):
    folder = write_run(tmp_path / "run")
    key = ("human-0", "fear", 1.0)
    with LineWriter(folder.edits_file) as lines:
        lines.write(edit_record(key, file=folder.edit_name(key), sha256="f" * 64))
    found = edit_of(load_results(folder, bootstrap=QUICK), key)
    assert found.verdict.unscored == NOT_JUDGED
    assert found.identity.unscored == NOT_MEASURED


def test_neutral_targets_are_left_out_and_counted(tmp_path):
    folder = RunFolder(tmp_path / "run")
    spec = begin_run(tmp_path / "other").spec()
    tasks = (*spec.tasks, spec.tasks[0].model_copy(update={"target": "neutral"}))
    folder.begin(spec.model_copy(update={"tasks": tasks}))
    make_edits(folder)
    judge_run(folder)
    results = load_results(folder, bootstrap=QUICK)
    assert results.missing.num_neutral == len(STRENGTHS)
    assert {edit.target for edit in results.edits} <= set(EXPRESSIONS)


def test_the_report_has_the_same_bytes_for_the_same_work(folder, tmp_path):
    report = load_results(folder, bootstrap=QUICK).to_json()
    again = begin_run(tmp_path / "again")
    keys = list(again.spec().edit_keys())
    make_edits(again, keys[::-1])  # in another order
    measure_run(again)
    judge_run(again)
    assert load_results(again, bootstrap=QUICK).to_json() == report


def test_the_report_says_all_about_the_run(folder):
    choices = MetricChoices(ties="unscored", accuracy_strengths=0.5)
    report = json.loads(load_results(folder, choices=choices, bootstrap=QUICK).to_json())
    assert report["run"] == folder.spec().model_dump(mode="json")
    (judge,) = report["judges"].values()
    assert judge["rubric_sha256"] == "2" * 64
    assert report["likeness"]["encoders"]["adaface"] == "1" * 64
    assert report["summary"]["choices"] == choices.as_json()
    assert report["summary"]["bootstrap"]["num_replicates"] == 100
    assert set(report["by_domain"]) == {"human", "anime"}
    assert report["code"]["source_sha256"]
    assert report["agreement"] is None


def test_several_judges_want_a_choice(tmp_path):
    folder = write_run(tmp_path / "run")
    with pytest.raises(InputError, match="one judge, which is no panel"):
        load_results(folder, PANEL)
    strict = judge_run(folder, "strict", share=0.5)
    with pytest.raises(InputError, match=r"2 judges: choose panel .* example:drawing.*example:strict"):
        load_results(folder)
    with pytest.raises(InputError, match=r"no judge 'gemini': choose"):
        load_results(folder, "gemini")
    chosen = load_results(folder, "example:strict", bootstrap=QUICK)
    assert chosen.judge_id == strict.id
    assert list(chosen.judges) == [strict.id]


def test_a_panel_is_the_mean_of_its_judges(tmp_path):
    folder = write_run(tmp_path / "run")
    judge_run(folder, "strict", share=0.5)
    alone = load_results(folder, "example:drawing", bootstrap=QUICK)
    panel = load_results(folder, PANEL, bootstrap=QUICK)
    for one, mean in zip(alone.edits, panel.edits, strict=True):
        assert one.verdict.unscored == mean.verdict.unscored
        scores = {name: 0.75 * score for name, score in one.verdict.values.items()}
        assert mean.verdict.values == pytest.approx(scores)
        assert mean.verdict.answer == one.verdict.answer
    assert panel.agreement.dominant == 1.0
    assert panel.agreement.all_scores < 1.0
    assert panel.agreement.num_paired == 22  # 24 without UNMADE and REFUSED
    assert len(panel.judges) == 2
    assert json.loads(panel.to_json())["agreement"]["dominant"] == 1.0


def test_a_panel_has_no_verdict_where_one_judge_has_none(tmp_path):
    folder = begin_run(tmp_path / "run")
    make_edits(folder)
    judge_run(folder)
    second = example_identity("second")
    keep_judge(folder, second)
    made = folder.edits()
    with LineWriter(scores_file(folder, judge_stem(second.id))) as lines:
        for key in list(made)[:2]:
            lines.write(verdict_record(made[key], outcome_of(key, second)))
    reasons = Counter(edit.verdict.unscored for edit in load_results(folder, PANEL, bootstrap=QUICK).edits)
    assert reasons[None] == 2
    assert reasons[NOT_JUDGED] == 20


def test_a_dominant_expression_that_does_not_lead_is_none(tmp_path):
    folder = write_run(tmp_path / "run")
    other = example_identity("other")
    keep_judge(folder, other)
    key = ("human-0", "fear", 1.0)
    record = folder.edits()[key]
    verdict = outcome_of(("human-0", "sad", 1.0), other)
    with LineWriter(scores_file(folder, judge_stem(other.id))) as lines:
        lines.write(verdict_record(record, verdict))
    assert edit_of(load_results(folder, PANEL, bootstrap=QUICK), key).verdict.answer is None


def test_a_line_that_is_no_score(tmp_path):
    folder = write_run(tmp_path / "run")
    path = scores_file(folder, judge_stem(example_identity("drawing").id))
    path.write_text(path.read_text().replace('"happy":', '"glee":', 1))
    with pytest.raises(InputError, match=r"happy at 0\.0: scores that miss or add glee, happy"):
        load_results(folder)
    path.write_text('{"opinion": 1}\n')
    with pytest.raises(InputError, match=r"drawing.*line 1: .*source"):
        load_results(folder)
