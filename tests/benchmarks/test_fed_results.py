"""FED-Bench from the edits to the score: what is kept, what each component is, and why one may be missing."""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from benchmarks import benchmark_examples
from benchmarks.fed_run_examples import (
    DOUBLED,
    FACELESS,
    GOOD,
    GREY,
    RESTING,
    SAME,
    SILENT,
    SMALLER,
    TRIPLETS,
    UNMADE,
    UNWORDED,
    BoxDetector,
    ExampleJudge,
    begin_fed_run,
    example_benchmark,
    example_markers,
    example_scores,
    mark_fed_run,
    measure_fed_run,
    score_all,
    triplet,
    write_fed_run,
)
from benchmarks.run_examples import begin_run, drawn, edit_record, png_of
from PIL import Image

from pixelsmile.benchmarks.fed.results import load_fed_results
from pixelsmile.benchmarks.ffe.results import load_results
from pixelsmile.benchmarks.metrics.fed_score import COMPONENTS, DIMENSIONS, SCORE, load_normalisation
from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.background import BackgroundScorer
from pixelsmile.benchmarks.scorers.change import ChangeScorer, change_stem, representations_of
from pixelsmile.benchmarks.scorers.judged import MarkersRecord, judges_by_component, keep_markers
from pixelsmile.benchmarks.scorers.representations import (
    EmbeddingRepresentation,
    ExpressionRepresentation,
    LandmarkRepresentation,
    RepresentationSettings,
)
from pixelsmile.benchmarks.scorers.scorer import score_records
from pixelsmile.benchmarks.scores import CHANGE, MARKS, NO_CHANGE
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.face import Face
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.store.json_lines import LineWriter

QUICK = Bootstrap(num_replicates=100)
NUM_KILLS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> RunFolder:
    return write_fed_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def results(folder):
    return load_fed_results(folder, bootstrap=QUICK)


def scored(results, name, granularity="simple"):
    return next(edit for edit in results.edits if (edit.sample, edit.granularity) == (name, granularity))


def components(edit):
    return {name: edit.score(name).value for name in COMPONENTS}


def reasons_of(edit):
    found = {name: edit.score(name).unscored for name in COMPONENTS}
    return {name: why for name, why in found.items() if why is not None}


def of(representation, image, box=None):
    """The numbers, or why there are none."""
    found = asyncio.run(representation.of(image, box, "human"))
    return found if isinstance(found, np.ndarray) else found.unscored


def test_the_folder_holds_all_that_judging_needs(folder):
    spec = folder.spec()
    assert len(spec.tasks) == 2 * len(TRIPLETS) - 1
    (unasked,) = spec.without_instruction
    assert (unasked.triplet, unasked.granularity, unasked.prompt) == (UNWORDED, "dense", "")
    for task in spec.tasks:
        benchmark = example_benchmark()
        assert task.source == f"{task.triplet}-{task.granularity}"
        truth = load_image(folder.truth_file(task.triplet))
        assert truth.tobytes() == benchmark_examples.truth(benchmark, task.source).tobytes()
    assert RunFolder(folder.path).spec() == spec
    assert {task.target for task in spec.tasks} == {"happy", "neutral"}


def test_the_components_of_a_good_edit(folder, results):
    good = scored(results, GOOD)
    source, truth = (drawn(("human-0", *shown)).image for shown in (("neutral", 0.0), ("happy", 1.0)))
    outside = ~np.pad(ellipse(32), 16)
    error = (np.asarray(source, float) - np.asarray(truth, float))[outside]
    found = components(good)
    assert found["background"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found["identity"] == pytest.approx(0.9)  # arcface alone, as in the paper
    assert found["gain"] == 1.0
    change = good.score(CHANGE)
    assert change.values["change"] == change.values["expected"] > 0.05
    assert change.metadata["seen"]["truth"] == pytest.approx(list(example_scores(truth).values()))
    assert good.score("quality").explanation == f"quality {found['quality']}"
    fidelity = (0.9 + 1 - found["background"] / 100 + found["quality"] / 10) / 3
    alignment = (found["consistency"] + found["truth_alignment"]) / 20
    assert good.score(SCORE).value == pytest.approx(fidelity * alignment)
    dimensions = [good.score(name).value for name in DIMENSIONS]
    assert dimensions == pytest.approx([fidelity, alignment, 1.0])
    assert load_image(folder.path / good.file).tobytes() == truth.tobytes()
    assert components(scored(results, RESTING))["gain"] == 1.0  # towards a face at rest


def ellipse(side: int) -> np.ndarray:
    """The pixels whose middle lies in the ellipse that fills a square."""
    place = (np.arange(side) + 0.5) / side * 2 - 1
    return place[:, None] ** 2 + place[None, :] ** 2 < 1


@pytest.mark.parametrize(
    ("name", "granularity", "reasons"),
    [
        (UNWORDED, "dense", dict.fromkeys(COMPONENTS, "the benchmark has no dense instruction")),
        (SAME, "simple", {"gain": "source and ground truth hardly differ: REG is undefined"}),
        (SMALLER, "simple", {"background": "the edit's size is not the source's"}),
        (FACELESS, "dense", {"background": "no face found"}),
        (DOUBLED, "dense", {"background": "2 faces found in the edit, 1 in the source"}),
        (
            SILENT,
            "simple",
            {
                **dict.fromkeys(MARKS, "the judge gave no answer"),
                "gain": "edit: the judge gave no answer",
            },
        ),
        (
            UNMADE,
            "simple",
            dict.fromkeys(COMPONENTS, "the editor made none: I will not: ask another"),
        ),
    ],
)
def test_bad_input_is_unscored_with_its_reason(results, name, granularity, reasons):
    found = scored(results, name, granularity)
    assert reasons_of(found) == reasons
    assert {part for part, value in components(found).items() if value is None} == set(reasons)
    assert found.score(SCORE).value is None


def test_what_is_missing_is_counted(results):
    assert results.missing.no_instruction == {"dense": 1}
    assert results.missing.not_made == {"the editor made none: I will not: ask another": 2}
    assert results.missing.components["background"] == {
        "the edit's size is not the source's": 2,
        "no face found": 2,
        "2 faces found in the edit, 1 in the source": 2,
    }
    coverage = results.summary.overall[SCORE].coverage
    assert coverage.num_scored == 5  # good and resting in both granularities, unworded in simple
    assert sum(coverage.unscored.values()) == 2 * len(TRIPLETS) - 5
    assert results.summary.num_samples == len(TRIPLETS)
    record = json.loads(results.to_json())
    assert record["summary"]["status"] == "reconstructed"
    assert len(record["edits"]) == 2 * len(TRIPLETS)


def test_marking_again_asks_only_what_had_no_answer(tmp_path):
    folder = begin_fed_run(tmp_path / "run")
    markers, scorer = example_markers(), ExampleJudge("scores")
    mark_fed_run(folder, markers, scorer)
    judges = [*judges_by_component(markers).values(), scorer]
    first = [judge.num_asked for judge in judges]
    # 15 edits were made, the two of a triplet are one picture; what differs in words is asked twice
    assert first[:3] == [8, 15, 8]
    mark_fed_run(folder, markers, scorer)
    assert [judge.num_asked - before for judge, before in zip(judges, first, strict=True)] == [1, 2, 1, 1]


def test_an_edit_that_was_made_anew_is_measured_anew(tmp_path):
    folder = write_fed_run(tmp_path / "run", TRIPLETS[:1])
    before = load_fed_results(folder, bootstrap=QUICK)
    key = ("good-simple", "happy", 1.0)
    png = png_of(drawn(("human-0", "happy", 0.5)).image)
    (folder.path / folder.edit_name(key)).write_bytes(png)
    with LineWriter(folder.edits_file) as lines:
        lines.write(edit_record(key, file=folder.edit_name(key), sha256=sha256_bytes(png)))
    reasons = reasons_of(scored(load_fed_results(folder, bootstrap=QUICK), GOOD))
    assert reasons == {
        "identity": "identity not measured",
        "background": "background not measured",
        "gain": "change of expression not measured",
        **dict.fromkeys(MARKS, "not judged yet"),
    }
    measure_fed_run(folder)
    mark_fed_run(folder)
    after = load_fed_results(folder, bootstrap=QUICK)
    assert components(scored(after, GOOD))["gain"] not in (None, 1.0)
    assert scored(after, GOOD, "dense") == scored(before, GOOD, "dense")


def test_another_size_can_be_brought_to_the_source(tmp_path):
    folder = begin_fed_run(tmp_path / "run", TRIPLETS[3:4])
    score_all(folder, BackgroundScorer(BoxDetector(), None))
    resizing = BackgroundScorer(BoxDetector(), None, "resized")
    with pytest.raises(InputError, match=r"with other_sizes = 'unscored', not 'resized': .* --force"):
        score_all(folder, resizing)
    (found, _) = (record.score for record in score_all(folder, resizing, force=True))
    assert 0 < found.values["rmse"] < 60
    assert found.values["share"] == pytest.approx(1 - np.pi / 16, abs=0.01)


class FaceByPixels:
    """Finds the faces of drawn pictures where they were drawn."""

    name = "drawn"

    def __init__(self, *keys) -> None:
        self._truths = {drawn(key).image.tobytes(): drawn(key).truth for key in keys}

    def detect(self, image):
        truth = self._truths.get(image.tobytes())
        return [] if truth is None else [Face(truth.face_box, truth.landmarks_5, 1.0, self.name)]


def test_landmarks_know_no_place_and_no_size(tmp_path):
    keys = [("human-0", "neutral", 0.0), ("human-0", "happy", 1.0)]
    by = LandmarkRepresentation(FaceByPixels(*keys), None)
    rest, smile = (of(by, drawn(key).image) for key in keys)
    assert rest.shape == (10,)
    assert by.settings.names[9] == "right corner of the mouth y"
    assert smile[9] < rest[9]  # the corner has risen
    moved = drawn(keys[0]).truth

    class Moved:
        name = "moved"

        def detect(self, image):
            points = moved.landmarks_5 * 3 + 17
            return [Face(moved.face_box, points, 1.0, self.name)]

    image = drawn(keys[0]).image
    np.testing.assert_allclose(of(LandmarkRepresentation(Moved(), None), image), rest, atol=1e-9)
    assert of(by, Image.new("RGB", (64, 64))) == "no face found"
    assert of(LandmarkRepresentation(BoxDetector(), None), image) == "detector box finds no landmarks"
    assert of(by, image, (0.0, 0.0, 2.0, 2.0)) == "no face found"  # there is one, but not there


class MeanColour:
    """An image encoder of one thought."""

    name, sha256 = "mean", "4" * 64

    def features(self, images_BCHW):
        mean_BD = images_BCHW.mean(dim=(2, 3)) + 2
        return mean_BD / mean_BD.norm(dim=1, keepdim=True)


def test_an_embedding_sees_the_picture_or_the_face():
    image = Image.new("RGB", (64, 64), (255, 255, 255))
    image.paste((255, 0, 0), (20, 20, 44, 44))
    whole = EmbeddingRepresentation(MeanColour())
    face = EmbeddingRepresentation(MeanColour(), BoxDetector())
    assert (whole.settings.parameters["region"], face.settings.parameters["region"]) == ("picture", "face")
    share = (64 * 64 - 24 * 24) / 64**2
    expected = np.array([3, 1 + 2 * share, 1 + 2 * share])
    np.testing.assert_allclose(of(whole, image), expected / np.linalg.norm(expected), rtol=1e-5)
    assert of(face, image)[0] > of(whole, image)[0]
    assert of(face, Image.new("RGB", (64, 64))) == "no face found"


class Plugged(ExpressionRepresentation):
    """A representation of someone's own: the mean of the red channel."""

    settings = RepresentationSettings(kind="redness", names=("red",), parameters={})

    async def of(self, image, box, domain):
        return np.array([np.asarray(image)[..., 0].mean() / 255])


def test_any_representation_can_be_plugged_in(tmp_path):
    folder = write_fed_run(tmp_path / "run", TRIPLETS[:1])
    assert len(score_all(folder, ChangeScorer(Plugged()))) == 2
    assert score_all(folder, ChangeScorer(Plugged())) == []
    assert {settings.kind for settings in representations_of(folder).values()} == {"scores", "redness"}
    found = score_records(folder, change_stem(Plugged.settings.id))["good-simple", "happy", 1.0].score
    assert found.values["change"] == found.values["expected"]
    results = load_fed_results(folder, representation="redness", bootstrap=QUICK)
    reason = "normalisation 2 has no least change by redness"
    assert reasons_of(scored(results, GOOD)) == {"gain": reason}
    own = load_normalisation().model_copy(update={"min_expected_changes": {"redness": 1e-6}})
    results = load_fed_results(folder, representation="redness", constants=own, bootstrap=QUICK)
    assert components(scored(results, GOOD))["gain"] == 1.0
    assert results.summary.constants == own
    assert load_fed_results(folder, bootstrap=QUICK).representation.kind == "scores"
    with pytest.raises(InputError, match="no representation 'blue': choose from"):
        load_fed_results(folder, representation="blue")


def test_a_judging_that_was_stopped_can_be_reported(tmp_path):
    folder = begin_fed_run(tmp_path / "run", TRIPLETS[:1])
    measure_fed_run(folder)
    keep_markers(folder, MarkersRecord.of(example_markers(), "scores:what-was-not-reached"))
    results = load_fed_results(folder, bootstrap=QUICK)
    assert results.representation is None
    assert reasons_of(scored(results, GOOD))["gain"] == NO_CHANGE


def test_identity_by_other_encoders(folder):
    both = load_fed_results(folder, encoders=["adaface", "facenet"], bootstrap=QUICK)
    assert components(scored(both, GOOD))["identity"] == pytest.approx(0.75)
    with pytest.raises(InputError, match="'clip' measured nothing here: choose from arcface"):
        load_fed_results(folder, encoders=["clip"])


def test_a_run_is_of_one_benchmark(folder, tmp_path):
    with pytest.raises(InputError, match="is a run of FED-Bench: use `pixelsmile bench fed"):
        load_results(folder)
    with pytest.raises(InputError, match="is a run of FFE-Bench: use `pixelsmile bench ffe"):
        load_fed_results(begin_run(tmp_path / "ffe"))
    with pytest.raises(InputError, match="is not judged yet: pixelsmile bench fed judge"):
        load_fed_results(begin_fed_run(tmp_path / "fed", TRIPLETS[:1]))


def test_scores_are_of_the_twelve(folder):
    (settings,) = representations_of(folder).values()
    assert settings.names == EXPRESSIONS
    assert settings.parameters["model"] == "m"


def test_kills_at_any_moment_cost_nothing_that_was_kept(tmp_path):
    """The report is the same, byte for byte; what has an answer on disk is never asked about again."""
    program = Path(__file__).with_name("fed_under_kills.py")

    def work(name: str, num_kills: int) -> list[tuple[int, int]]:
        arguments = [str(tmp_path / name), str(tmp_path / f"{name}.paid"), str(num_kills)]
        done = subprocess.run(
            [sys.executable, str(program), *arguments], capture_output=True, text=True, check=True
        )
        return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]

    assert work("whole", 0) == []
    rounds = work("killed", NUM_KILLS)
    assert len(rounds) == NUM_KILLS
    assert sum(number == 9 for number, _ in rounds) >= NUM_KILLS // 2
    assert all(asked_again == 0 for _, asked_again in rounds)
    whole, killed = (
        json.loads(load_fed_results(RunFolder(tmp_path / name), bootstrap=QUICK).to_json())
        for name in ("whole", "killed")
    )
    whole["run"].pop("created")
    killed["run"].pop("created")
    assert killed == whole


def test_runs_from_before_there_was_this_benchmark_are_read(tmp_path):
    folder = begin_run(tmp_path / "run")
    path, spec = folder.path / "spec.json", folder.spec()
    record = json.loads(path.read_bytes())
    assert record.pop("without_instruction") == []
    assert set(record["tasks"][0]) == {"source", "target", "domain", "prompt", "face_box"}
    path.write_text(json.dumps(record))
    assert folder.spec() == spec
    assert {task.benchmark for task in folder.spec().tasks} == {"ffe"}


def test_a_source_without_a_face_has_no_background(tmp_path):
    grey = Image.new("RGB", (64, 64), GREY)
    faceless = triplet(GOOD, 0, source=Still(grey))
    folder = begin_fed_run(tmp_path / "run", [faceless])
    records = score_all(folder, BackgroundScorer(BoxDetector(), None))
    assert {record.score.unscored for record in records} == {"no face found in the source"}


@dataclass(frozen=True)
class Still:
    """A picture in memory."""

    image: Image.Image

    def load(self) -> Image.Image:
        return self.image

    def sha256(self) -> str:
        return sha256_bytes(self.image.tobytes())
