"""Two runs, paired: only what both have, and clear words for the rest."""

import pytest
from run_examples import begin_run, judge_run, make_edits, measure_run, write_run

from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.report.comparison import compare_runs
from pixelsmile.errors import InputError

QUICK = Bootstrap(num_replicates=100)


def loaded(folder, judge=None):
    return load_results(folder, judge, bootstrap=QUICK)


def run(path, share=1.0, measure=True, **settings):
    folder = begin_run(path, **settings)
    make_edits(folder)
    judge_run(folder, share=share)
    if measure:
        measure_run(folder)
    return loaded(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return loaded(write_run(tmp_path_factory.mktemp("runs") / "whole"))


def test_a_run_against_itself_differs_by_nothing(whole):
    found, remarks = compare_runs(whole, whole, bootstrap=QUICK)
    assert remarks == []
    assert found.differences["hes"].difference.value == 0


def test_a_weaker_editor_has_the_lower_score(whole, tmp_path):
    weak = run(tmp_path / "weak", share=0.5)
    gap = compare_runs(whole, weak, bootstrap=QUICK)[0].differences["expression"]
    assert gap.b == pytest.approx(gap.a / 2)
    assert gap.difference.value == pytest.approx(gap.a / 2)
    assert 0 < gap.difference.low < gap.difference.value < gap.difference.high


def test_strengths_that_one_run_lacks_are_left_out_and_said(whole, tmp_path):
    few = run(tmp_path / "few", strengths=(0.0, 1.0))
    found, remarks = compare_runs(whole, few, bootstrap=QUICK)
    assert found.num_samples == whole.summary.num_samples
    assert len(remarks) == 1
    assert "16 edits are in both runs, of 24 and 16" in remarks[0]
    assert "strengths 0, 0.5, 1 and 0, 1" in remarks[0]


def test_no_strength_in_common(whole, tmp_path):
    with pytest.raises(InputError, match=r"share no edit .strengths 0, 0.5, 1 and 0.75"):
        compare_runs(whole, run(tmp_path / "odd", strengths=(0.75,)))


def test_other_judges_are_refused(whole, tmp_path):
    folder = begin_run(tmp_path / "run")
    make_edits(folder)
    judge_run(folder, "another")
    with pytest.raises(InputError, match=r"different judges .*another"):
        compare_runs(whole, loaded(folder))


def test_other_pictures_under_the_same_names_are_no_samples_in_common(whole, tmp_path):
    other = run(tmp_path / "run")
    for task in other.spec.tasks:
        other.folder.source_file(task.source).write_bytes(b"another picture")
    with pytest.raises(InputError, match="share no source picture"):
        compare_runs(whole, other)


def test_identity_that_was_measured_in_one_run_alone_is_left_out(whole, tmp_path):
    found, remarks = compare_runs(whole, run(tmp_path / "run", measure=False), bootstrap=QUICK)
    assert found.differences["id_sim"].a is None
    assert found.differences["expression"].difference.value == 0
    assert "not measured" in remarks[0]
