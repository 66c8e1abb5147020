"""The bias test from end to end on one drawn triplet: made, judged, measured, stopped, taken up again."""

import json

import pytest
from fed_examples import QUICK, fed_results

from pixelsmile.benchmarks.benchmark import Benchmark
from pixelsmile.benchmarks.fed.bias import METRICS_CHECKED, bias_table, expression_score, load_bias, run_bias
from pixelsmile.benchmarks.fed.drawn import drawn_fed_benchmark
from pixelsmile.benchmarks.report.bias import bias_lines, bias_page
from pixelsmile.benchmarks.scorers.scorer import Scoring, score_records
from pixelsmile.benchmarks.scorers.similarity import SIMILARITIES, SIMILARITY_STEM, SimilarityScorer
from pixelsmile.benchmarks.scores import CHANGE
from pixelsmile.editors.sanity import FED_SANITY_EDITORS
from pixelsmile.embedded import features_path
from pixelsmile.errors import OutputError
from pixelsmile.faces.likeness import open_meter
from pixelsmile.features.drawn import DrawnEncoder
from pixelsmile.hashing import sha256_bytes
from pixelsmile.judges.names import parse_judge, parse_markers
from pixelsmile.store.json_lines import LineWriter


@pytest.fixture(scope="module")
def measures() -> dict:
    return {
        "markers": parse_markers("embedded"),
        "judge": parse_judge("embedded"),
        "meter": open_meter(["embedded"], drawn=True),
        "encoder": DrawnEncoder.from_folder(features_path()),
    }


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return drawn_fed_benchmark(1, granularities=("dense",))


@pytest.fixture(scope="module")
def bias(measures, benchmark, tmp_path_factory):
    """Stopped in the middle of the third editor, then run to its end."""
    path = tmp_path_factory.mktemp("bias") / "bias"
    events = run_bias(path, benchmark, **measures)
    for event in events:
        if event.editor == FED_SANITY_EDITORS[2] and event.what == "quality":
            events.close()
    assert not (path / FED_SANITY_EDITORS[3]).exists()
    assert {event.editor for event in run_bias(path, benchmark, **measures)} == set(FED_SANITY_EDITORS)
    return path, load_bias(path, bootstrap=QUICK)


def test_every_editor_is_scored_and_the_truth_is_best(bias):
    _, found = bias
    scores = {editor: figures["fed_score"].estimate.value for editor, figures in found.figures.items()}
    assert set(scores) == set(FED_SANITY_EDITORS)
    assert max(scores, key=scores.__getitem__) == "truth"
    assert scores["copy"] < scores["half"] < scores["truth"]


def test_known_values_of_the_single_metrics(bias):
    _, found = bias
    value = {
        editor: {name: figures[name].estimate.value for name in SIMILARITIES}
        for editor, figures in found.figures.items()
    }
    for editor, shown in (("truth", "truth"), ("copy", "source")):  # a picture beside itself
        assert value[editor][f"clip_{shown}"] == pytest.approx(1)
        assert value[editor][f"ssim_{shown}"] == pytest.approx(1)
    assert value["truth"]["psnr_truth"] == pytest.approx(58.92, abs=0.01)
    assert value["truth"]["ssim_source"] == pytest.approx(value["copy"]["ssim_truth"])
    assert value["truth"]["clip_source"] == pytest.approx(value["copy"]["clip_truth"], abs=1e-6)


def test_work_that_is_done_is_not_done_again(bias, benchmark, measures):
    path, found = bias
    before = {file: file.read_bytes() for file in path.rglob("*.jsonl")}
    assert before
    for each in before.values():  # a line for each edit and none twice, though the first call was stopped
        assert each.count(b"\n") == 1
    for _ in run_bias(path, benchmark, **measures):
        pass
    assert {file: file.read_bytes() for file in path.rglob("*.jsonl")} == before
    assert load_bias(path, bootstrap=QUICK).as_json() == found.as_json()


def test_the_terminal_and_the_page_tell_all(bias):
    _, found = bias
    lines = bias_lines(found)
    assert max(map(len, lines)) <= 120
    page = bias_page(found)
    for editor in FED_SANITY_EDITORS:
        assert any(line.startswith(editor) for line in lines)
        assert f"<strong>{editor}</strong>" in page
    for metric in METRICS_CHECKED:
        assert any(line.startswith(metric.label) for line in lines)
        assert metric.label in page
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["checks"]["fed_score"]["lazy"]["pairs"]


def test_a_folder_of_something_else_is_refused(tmp_path, benchmark, measures):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"holds 'thesis\.txt' and no bias test"):
        next(run_bias(tmp_path, benchmark, **measures))


def test_similarities_are_measured_anew_for_an_edit_that_was_made_anew(tmp_path, measures):
    folder = fed_results(tmp_path / "run", "truth", 1).folder
    scorer = SimilarityScorer(measures["encoder"])
    assert len(list(Scoring(folder, scorer))) == 2
    assert list(Scoring(folder, scorer)) == []
    key = folder.spec().edit_keys()[0]
    assert score_records(folder, SIMILARITY_STEM)[key].score.values["ssim_truth"] == pytest.approx(1)
    source = folder.source_file(key[0]).read_bytes()
    edit = folder.edits()[key]
    (folder.path / edit.file).write_bytes(source)
    with LineWriter(folder.edits_file) as lines:
        lines.write(edit.model_copy(update={"sha256": sha256_bytes(source)}))
    assert len(list(Scoring(folder, scorer))) == 1
    assert score_records(folder, SIMILARITY_STEM)[key].score.values["ssim_source"] == pytest.approx(1)
    assert score_records(folder, SIMILARITY_STEM)[key].score.values["ssim_truth"] < 1


def test_the_expression_score_is_that_of_what_was_asked_for(tmp_path):
    results = fed_results(tmp_path / "run", "truth")
    by_target = {edit.target: expression_score(results, edit) for edit in results.edits}
    seen = dict(
        zip(
            results.representation.names, results.edits[0].score(CHANGE).metadata["seen"]["edit"], strict=True
        )
    )
    assert by_target["neutral"] == pytest.approx(1 - max(seen.values()))
    assert all(by_target[name] == seen[name] for name in by_target if name != "neutral")


def test_a_task_without_an_edit_has_no_values(tmp_path):
    table = bias_table({"2x": fed_results(tmp_path / "run", "2x")})
    assert table.num_samples == 5
    assert list(table.sample) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    score = table.values["2x"]["fed_score"]
    assert list(score == score) == [True, False] + 6 * [True] + 2 * [False]  # one is faceless, two unmade
    assert not (table.values["2x"]["clip_truth"] == table.values["2x"]["clip_truth"]).any()  # not measured
