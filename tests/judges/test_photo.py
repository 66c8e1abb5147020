"""The judge of photographs: what it sees, what it does not judge, what it says of itself."""

import asyncio
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage.data import astronaut

from pixelsmile import Editor
from pixelsmile.errors import ModelError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.faces.choice import ONLY, parse_choice
from pixelsmile.faces.detectors.mesh import MeshDetector
from pixelsmile.faces.mesh.mesh import BLENDSHAPES
from pixelsmile.judges import (
    NoVerdict,
    Question,
    Target,
    Verdict,
)
from pixelsmile.judges.judge import JudgeIdentity, OfFace
from pixelsmile.judges.names import parse_judge
from pixelsmile.judges.photo import judge as photo_quality
from pixelsmile.judges.photo import scores as photo_scores
from pixelsmile.judges.photo.judge import PhotoJudge
from pixelsmile.judges.photo.scores import (
    CATEGORIES,
    CLASSES,
    SHAPES,
    Fitted,
    Way,
    load_fitted,
    weigh,
)


@pytest.fixture(scope="module")
def judge() -> PhotoJudge:
    return PhotoJudge()


@pytest.fixture(scope="module")
def smiling() -> Image.Image:
    return Image.fromarray(astronaut()).crop((100, 0, 356, 256))


def asked(judge, image, domain="human", target=None):
    return asyncio.run(judge.judge(Question.read(image, domain, target=target)))


# What it sees


def test_the_astronaut_smiles(judge, smiling):
    verdict = asked(judge, smiling)
    assert isinstance(verdict, Verdict)
    assert verdict.dominant == "happy"
    assert verdict.scores["happy"] > 0.7
    assert all(score < 0.2 for name, score in verdict.scores.items() if name != "happy")
    assert set(json.loads(verdict.transcript[0])["network"]) == set(CLASSES)
    assert asked(judge, smiling) == verdict


def test_neither_mirror_nor_turn_nor_size_changes_much(judge, smiling):
    scores = [
        asked(judge, picture).scores["happy"]
        for picture in (smiling, ImageOps.mirror(smiling), smiling.resize((512, 512)), smiling.rotate(30))
    ]
    assert np.ptp(scores) < 0.25


@pytest.mark.parametrize("expression", ["surprised", "sad"])
def test_what_the_geometric_engine_makes_of_her_is_seen(judge, smiling, expression):
    editor = Editor.from_pretrained("geometric")
    images = editor.edit(smiling, expression, strengths=[0.0, 0.5, 1.0]).images
    scores = [asked(judge, image).scores[expression] for image in images]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 0.3


# What it does not judge


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: Image.new("RGB", (128, 128), "grey"), "there is no face"),
        (lambda image: image.resize((58, 58)), "it takes 24"),
    ],
)
def test_pictures_without_a_verdict(judge, smiling, change, words):
    outcome = asked(judge, change(smiling))
    assert isinstance(outcome, NoVerdict)
    assert outcome.reason == "unsuited"
    assert words in outcome.detail


def test_an_edit_for_another_expression_has_no_verdict(judge, smiling):
    outcome = asked(judge, smiling, target=Target("shy"))
    assert isinstance(outcome, NoVerdict)
    assert "it does not judge shy" in outcome.detail
    for expression in CLASSES:
        assert isinstance(asked(judge, smiling, target=Target(expression)), Verdict)
    assert judge.identity.is_partial


def test_drawings_are_none_of_its_pictures(judge, smiling):
    assert "no photograph" in asked(judge, smiling, domain="anime").detail


def test_which_of_two_faces(smiling):
    two = Image.new("RGB", (400, 256), "grey")
    two.paste(smiling.resize((140, 140)), (250, 20))
    two.paste(smiling, (0, 0))
    assert "there are 2 faces" in asked(PhotoJudge(ONLY), two).detail

    def face(words):
        return json.loads(asked(PhotoJudge(parse_choice(words)), two).transcript[0])["face"]

    assert face("largest") == face("1")
    x0, y0, x1, y1 = face("2")
    assert x0 > 250
    assert face(f"{x0},{y0},{x1 - x0},{y1 - y0}") == pytest.approx([x0, y0, x1, y1], abs=3)


# What it says of itself


def test_it_says_how_often_it_is_right(judge):
    quality = photo_quality.read_quality()
    assert quality.fitted_sha256 == load_fitted().sha256, "measure it again: python -m recipes.photo.quality"
    assert sum(map(sum, (row.values() for row in quality.confusion.values()))) == quality.num_faces
    assert f"right on {quality.accuracy:.2f} of {quality.num_faces} " in judge.identity.remark
    assert judge.identity.to_record()["remark"] == judge.identity.remark
    assert "measure it again" in quality.remark("another")


def test_the_remark_is_no_part_of_who_it_is(judge):
    assert dataclasses.replace(judge.identity, remark="").sha256 == judge.identity.sha256


# How the evidence is weighed


def fitted(trust=0.5):
    """A smile is happy, a dropped jaw is surprised, and nothing else is anything."""
    weights = np.zeros((len(CLASSES), len(SHAPES)))
    weights[CLASSES.index("happy"), SHAPES.index("mouthSmile")] = 1.0
    weights[CLASSES.index("surprised"), SHAPES.index("jawOpen")] = 1.0
    ways = {name: Way(log_odds=(-4.0, 0.0, 4.0)) for name in CATEGORIES}
    return Fitted(
        shapes=SHAPES,
        weights=weights.tolist(),
        intercepts=[0.0] * len(CLASSES),
        trust=trust,
        network=ways,
        shape=ways,
        fitted_on="nobody",
    )


def seen(expression, log_odds):
    """The network's log-probabilities: that expression against neutral; the others are out of question."""
    logs = np.full(len(CLASSES), -50.0)
    logs[0], logs[CLASSES.index(expression)] = 0.0, log_odds
    return logs


def blendshapes(**shown):
    return dict.fromkeys(BLENDSHAPES, 0.5) | shown


def test_scores_rise_with_both_and_the_dominant_one_is_the_highest():
    smiles = [0.05, 0.3, 0.5, 0.7, 0.95]
    found = [
        weigh(seen("happy", log), blendshapes(mouthSmileLeft=shown, mouthSmileRight=shown), fitted())
        for log, shown in zip((-4, -2, 0.1, 2, 4), smiles, strict=True)
    ]
    scores = [one.scores["happy"] for one in found]
    assert scores == sorted(scores)
    assert scores[0] < 0.1
    assert scores[2] == pytest.approx((0.5 + 0.1 / 8 + 0.5) / 2)  # both about half way
    assert [one.dominant for one in found] == ["neutral", "neutral", "happy", "happy", "happy"]
    assert all(max(one.scores, key=one.scores.__getitem__) == "happy" for one in found)


def test_where_the_two_disagree_trust_decides():
    jaw = blendshapes(jawOpen=0.99)
    assert weigh(seen("happy", 2.0), jaw, fitted(trust=0.1)).dominant == "happy"
    logs = seen("happy", 2.0)
    logs[CLASSES.index("surprised")] = 0.0
    torn = weigh(logs, jaw, fitted(trust=1.0))
    assert torn.dominant == "surprised"
    assert 0 < torn.scores["happy"] < torn.scores["surprised"]
    assert sum(torn.probabilities.values()) == pytest.approx(1)


def test_what_is_fitted_is_checked(tmp_path, monkeypatch):
    record = load_fitted().model_dump(mode="json")
    record["network"]["happy"]["log_odds"] = [1.0, 1.0]
    (tmp_path / photo_scores.FILE).write_text(json.dumps(record))
    monkeypatch.setattr(photo_scores, "photo_path", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"judge.json .* is damaged \(.*log-odds rise"):
        load_fitted.__wrapped__()


def test_it_is_chosen_by_name(judge):
    assert parse_judge("photo").identity == judge.identity
    assert set(judge.identity.parameters["categories"]) < {*EXPRESSIONS, "neutral"}


# Other judges of one face


class Wide:
    """Says how wide a picture is, in its own way."""

    identity = JudgeIdentity("test", "wide", "width", "0", {})

    async def judge(self, question):
        (picture,) = question.pictures.values()
        return NoVerdict(self.identity.id, "unsuited", f"{picture.image.width} px")

    async def aclose(self):
        """Nothing is open."""


def test_any_judge_can_be_shown_one_face(smiling):
    of_face = OfFace(Wide(), MeshDetector.load(), parse_choice("60,40,100,120"), "60,40,100,120")
    outcome = asked(of_face, smiling)
    assert outcome.detail == f"{round(1.8 * 120)} px"
    assert outcome.judge == of_face.identity.id != Wide.identity.id
    nobody = OfFace(Wide(), MeshDetector.load(), ONLY, "only")
    assert "no face" in asked(nobody, Image.new("RGB", (128, 128))).detail
