"""Marks without a server: signs of damage, distances, scales, and what the shipped markers say."""

import asyncio
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_examples import JudgingRun
from PIL import Image, ImageFilter, ImageOps
from skimage.data import astronaut

from pixelsmile import embedded
from pixelsmile.errors import ModelError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, NEUTRAL
from pixelsmile.judges import (
    JudgeIdentity,
    Mark,
    NoVerdict,
    Target,
)
from pixelsmile.judges.embedded.marks import (
    CALIBRATION_FILE,
    Calibration,
    drawn_scores,
    load_calibration,
)
from pixelsmile.judges.judge import (
    Markers,
    consistency_sample,
    quality_sample,
    truth_alignment_sample,
)
from pixelsmile.judges.marks import (
    LEAST_LENGTH,
    Rules,
    Scale,
    apart,
    blocks,
    grain,
    make_markers,
    missing,
    softness,
)
from pixelsmile.judges.names import parse_markers
from pixelsmile.portraits import action_units, draw_portrait, sample_identity

# Signs of damage


def test_softness_of_a_step_by_hand():
    """One step of 1 becomes nine of 1/9, at whose places the picture had 1 and 8 zeros: lost is 8/9 of 1."""
    row = np.r_[np.zeros(20), np.ones(20)]
    assert softness(np.stack([row, row])) == pytest.approx(1 / 9)


def test_softness_of_an_even_picture():
    assert softness(np.full((20, 20), 0.3)) == 1.0


def test_softness_rises_with_blur():
    image = face("happy").convert("L")
    found = [
        softness(np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), float) / 255)
        for radius in range(5)
    ]
    assert found == sorted(found)
    assert found[0] < 0.4 < 0.6 < found[-1]


@pytest.mark.parametrize("deviation", [0.01, 0.1])
def test_grain_is_the_deviation_of_noise_whatever_is_drawn_below(deviation):
    rng = np.random.default_rng(0)
    picture = np.zeros((200, 200))
    picture[50:150, 60:140] = 0.5
    picture += np.linspace(0, 0.3, 200)
    assert grain(picture) < 1e-3
    assert grain(picture + rng.normal(0, deviation, picture.shape)) == pytest.approx(deviation, rel=0.03)


def test_blocks_by_hand():
    """Steps of 1 at columns 8 and 16 alone: what stands out is 1 at edges, and -1/2 beside them."""
    picture = np.repeat([0.0, 1.0, 2.0], 8)[None]
    num_steps = 24 - 1 - 2  # without the first and the last
    assert blocks(picture) == pytest.approx(1 + 4 * 0.5 / (num_steps - 2))
    assert blocks(np.roll(np.tile(picture, (2, 1)), 3, axis=1)) < 0.1
    assert blocks(np.random.default_rng(0).random((300, 300))) == pytest.approx(0, abs=0.01)


def test_compression_shows_in_blocks_and_noise_does_not():
    image = face("sad").convert("L")
    found = []
    for quality in (90, 50, 10):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        found.append(blocks(np.asarray(Image.open(file), float)))
    assert blocks(np.asarray(image, float)) < found[0] < found[1] < found[2]


# Distances


def left(target: Target, source: np.ndarray, edit: np.ndarray) -> float:
    return missing(target, source, edit, drawn_scores)


SCORES = st.lists(st.floats(0, 1), min_size=12, max_size=12).map(np.array)


@given(SCORES, SCORES)
def test_how_far_faces_are_apart(one, other):
    assert apart(one, one) == 0
    assert apart(one, other) == apart(other, one) <= math.sqrt(2) + 1e-9


def one_hot(**scores: float) -> np.ndarray:
    return np.array([scores.get(name, 0.0) for name in EXPRESSIONS])


def test_apart_by_hand():
    assert apart(one_hot(happy=1), one_hot(happy=0.4)) == pytest.approx(0.6)
    assert apart(one_hot(happy=0.5), one_hot()) == pytest.approx(1)
    assert apart(one_hot(happy=0.5), one_hot(sad=0.5)) == pytest.approx(math.sqrt(2))
    assert apart(one_hot(), one_hot(sad=0.1)) == pytest.approx(0.1 / LEAST_LENGTH)


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("variant", [0, 1, 2])
def test_what_does_what_was_asked_misses_nothing(name, variant):
    source = drawn_scores("sad" if name != "sad" else "happy", 0.8, 0)
    for target in (Target(name, 0.7), Target(name)):
        assert left(target, source, drawn_scores(name, 0.7, variant)) == pytest.approx(0, abs=1e-12)
        assert left(target, source, source) >= 0.99
    assert left(Target(NEUTRAL), source, one_hot()) == 0
    assert left(Target(NEUTRAL), source, source) == 1


def test_half_way_is_half_left():
    rest = one_hot()
    full, half = (drawn_scores("happy", strength, 0) for strength in (1.0, 0.5))
    assert left(Target("happy", 1.0), rest, half) == pytest.approx(0.5, abs=0.06)  # relatives are not linear
    assert left(Target(NEUTRAL), full, 0.25 * full) == pytest.approx(0.25)


def test_too_strong_is_better_than_too_weak_where_a_strength_is_asked_for():
    rest = one_hot()
    at = {strength: drawn_scores("happy", strength, 0) for strength in (0.25, 0.5, 0.75, 1.0)}
    asked = Target("happy", 0.5)
    weak, strong, stronger = (left(asked, rest, at[strength]) for strength in (0.25, 0.75, 1.0))
    assert 0 < strong < weak < 1
    assert strong < stronger
    assert stronger == pytest.approx(0.5, abs=0.1)
    assert left(Target("happy"), rest, at[1.0]) == 0, "no strength was asked for"


# Scales


@given(st.floats(0, 3), st.floats(0, 3))
def test_more_error_never_earns_more(one, other):
    scale = Scale(full_at=0.5, none_at=2.0)
    low, high = sorted((one, other))
    assert 10 >= scale.mark(low) >= scale.mark(high) >= 0


def test_marks_by_hand():
    scale = Scale(full_at=0.5, none_at=2.5)
    assert [scale.mark(error) for error in (0, 0.5, 1.0, 1.5, 2.5, 9)] == [10, 10, 7.5, 5, 0, 0]


CALIBRATION = Calibration(
    version="v",
    weights_sha256="abc",
    **dict.fromkeys(
        ("softness", "grain", "blocks", "consistency", "truth_alignment"), Scale(full_at=0.1, none_at=1.0)
    ),
)


def test_a_calibration_is_for_one_judge(tmp_path):
    (tmp_path / CALIBRATION_FILE).write_text(CALIBRATION.model_dump_json())
    assert load_calibration(tmp_path, "abc") == CALIBRATION
    with pytest.raises(ModelError, match="for other weights"):
        load_calibration(tmp_path, "abd")


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"grain": {"full_at": 2, "none_at": 1}},
        {"grain": {"full_at": -1, "none_at": 1}},
        {"x": 1},
    ],
)
def test_damaged_calibrations(tmp_path, change):
    (tmp_path / CALIBRATION_FILE).write_text(json.dumps(CALIBRATION.model_dump() | change))
    with pytest.raises(ModelError, match="is damaged") as caught:
        load_calibration(tmp_path, "abc")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ModelError, match=r"has no marks\.json"):
        load_calibration(tmp_path / "elsewhere", "abc")


# The ones that ship


def face(expression: str, strength: float = 1.0, seed: int = 7_700_900, domain="human") -> Image.Image:
    return draw_portrait(sample_identity(seed), action_units(expression, strength), domain, 256).image


try:
    SHIPPED = (embedded.judge_path() / CALIBRATION_FILE).is_file()
except ModelError:
    SHIPPED = False
HAS_MARKERS = pytest.mark.skipif(not SHIPPED, reason="the calibration is not here yet")


@pytest.fixture(scope="module")
def markers():
    return parse_markers("embedded")


def marked(marker, sample):
    return asyncio.run(marker.judge(sample.question()))


def mark_of(marker, sample) -> float:
    outcome = marked(marker, sample)
    assert isinstance(outcome, Mark), outcome
    assert outcome.judge == marker.identity.id
    return outcome.mark


@HAS_MARKERS
def test_the_markers_are_three_judges_and_share_the_weights(markers):
    identities = [
        marker.identity for marker in (markers.quality, markers.consistency, markers.truth_alignment)
    ]
    assert [one.rubric for one in identities] == [
        "drawn-quality-1",
        "drawn-consistency-1",
        "drawn-truth-alignment-1",
    ]
    assert len({one.sha256 for one in identities}) == 3
    assert len({one.parameters["weights_sha256"] for one in identities}) == 1


@HAS_MARKERS
@pytest.mark.parametrize("domain", DOMAINS)
def test_what_was_asked_for_beats_half_of_it_beats_a_copy(markers, domain):
    source, target = face(NEUTRAL, domain=domain), Target("surprised", 0.9)
    edits = [face("surprised", strength, domain=domain) for strength in (0.9, 0.45, 0.0)]
    found = [
        mark_of(markers.consistency, consistency_sample("", source, edit, "Look surprised.", domain, target))
        for edit in edits
    ]
    assert found[0] > found[1] + 2 > found[2] + 4
    found = [
        mark_of(markers.truth_alignment, truth_alignment_sample("", edits[0], edit, domain)) for edit in edits
    ]
    assert found[0] == 10
    assert found[0] > found[1] + 2 > found[2] + 2


@HAS_MARKERS
def test_another_expression_and_another_person(markers):
    truth, wrong, other = face("angry"), face("happy"), face("angry", seed=7_700_901)
    marks = [
        mark_of(markers.truth_alignment, truth_alignment_sample("", truth, edit)) for edit in (other, wrong)
    ]
    assert marks[0] > 7
    assert marks[1] < 2
    calm = consistency_sample("", wrong, face(NEUTRAL), "Look neutral.", target=Target(NEUTRAL))
    assert mark_of(markers.consistency, calm) > 8
    left = consistency_sample("", wrong, wrong, "Look neutral.", target=Target(NEUTRAL))
    assert mark_of(markers.consistency, left) == 0


@HAS_MARKERS
def test_damage_costs_marks_and_a_grimace_does_not(markers):
    sharp = face("disgust")
    blurred = [sharp.filter(ImageFilter.GaussianBlur(radius)) for radius in (1.5, 2.5)]
    marks = [mark_of(markers.quality, quality_sample("", image)) for image in (sharp, *blurred)]
    assert marks[0] > 9
    assert marks[0] > marks[1] + 1 > marks[2] + 2
    assert "softness" in marked(markers.quality, quality_sample("", blurred[1])).reason


@HAS_MARKERS
def test_photographs_get_no_mark(markers):
    data = pytest.importorskip("skimage.data")
    photograph, drawn = Image.fromarray(data.astronaut()), face("happy")
    target = Target("happy")
    outcomes = [
        marked(markers.quality, quality_sample("", photograph)),
        marked(markers.consistency, consistency_sample("", photograph, drawn, "x", target=target)),
        marked(markers.consistency, consistency_sample("", drawn, photograph, "x", target=target)),
        marked(markers.truth_alignment, truth_alignment_sample("", photograph, drawn)),
        marked(markers.truth_alignment, truth_alignment_sample("", drawn, photograph)),
    ]
    assert all(isinstance(one, NoVerdict) and one.reason == "unsuited" for one in outcomes)
    assert [one.detail.split(":")[0] for one in outcomes] == ["Edit", "Source", "Edit", "Reference", "Edit"]


def test_a_picture_is_looked_at_once():
    seen = []

    class Judge:
        identity = JudgeIdentity("p", "m", "r", "0", {})

        def look(self, image):
            seen.append(image.size)
            return NoVerdict("j", "unsuited", "nothing")

    markers = make_markers(Judge(), Rules({}, dict.fromkeys(Markers.__annotations__, ("r", "t")), None, None))
    one, same, other = (Image.new("RGB", (40, side)) for side in (40, 40, 50))
    for truth in (one, same, other, one):
        marked(markers.truth_alignment, truth_alignment_sample("", truth, one))
    marked(markers.quality, quality_sample("", one))
    assert seen == [(40, 40), (40, 50)]


@HAS_MARKERS
def test_words_alone_say_nothing_to_them(markers):
    sample = consistency_sample("", face(NEUTRAL), face("happy"), "Make her smile.")
    outcome = marked(markers.consistency, sample)
    assert isinstance(outcome, NoVerdict)
    assert outcome.reason == "unsuited"
    assert "reads no words" in outcome.detail


@HAS_MARKERS
def test_a_run_says_the_same_as_asking_at_once(markers):
    sample = truth_alignment_sample("a", face("happy"), face("happy", 0.6))
    (judgement,) = JudgingRun(markers.truth_alignment, [sample])
    assert judgement.outcome == marked(markers.truth_alignment, sample)


# The photographic ones


@pytest.fixture(scope="module")
def of_photographs():
    return parse_markers("photo")


@pytest.fixture(scope="module")
def smiling() -> Image.Image:
    return Image.fromarray(astronaut()).crop((100, 0, 356, 256))


def test_quality_sees_damage(of_photographs, smiling):
    whole = marked(of_photographs.quality, quality_sample("a", smiling))
    blurred = marked(of_photographs.quality, quality_sample("a", smiling.filter(ImageFilter.GaussianBlur(4))))
    assert whole.mark > 8
    assert blurred.mark < 3
    assert "softness" in blurred.reason


def test_a_copy_has_not_done_what_was_asked(of_photographs, smiling):
    def consistency(target):
        return marked(
            of_photographs.consistency, consistency_sample("a", smiling, smiling, "Do it.", target=target)
        )

    assert consistency(Target("angry")).mark == 0
    assert consistency(Target("happy")).mark > 8
    assert "does not judge confident" in consistency(Target("confident")).detail
    assert "reads no words" in consistency(None).detail


def test_the_same_expression_meets_the_truth(of_photographs, smiling):
    aligned = marked(
        of_photographs.truth_alignment, truth_alignment_sample("a", smiling, ImageOps.mirror(smiling))
    )
    assert aligned.mark > 7
    blank = Image.new("RGB", (128, 128))
    nobody = marked(of_photographs.truth_alignment, truth_alignment_sample("a", smiling, blank))
    assert nobody.detail == "Edit: there is no face"
