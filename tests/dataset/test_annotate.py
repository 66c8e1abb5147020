"""Annotate: what judges say ends up in the rows, once, and what is odd about it is said."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
from dataset.dataset_examples import people
from PIL import Image
from pydantic import ValidationError

from pixelsmile.dataset.annotate import Annotate
from pixelsmile.dataset.build import build
from pixelsmile.dataset.doubts import confidence, doubt_checks, doubts, panel_agreement
from pixelsmile.dataset.edit_config import AnnotateSettings
from pixelsmile.dataset.explain import explanation
from pixelsmile.dataset.folder import VERDICTS
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, TAXONOMY
from pixelsmile.images import load_image
from pixelsmile.judges.embedded.judge import EmbeddedJudge
from pixelsmile.portraits import sample_identity
from pixelsmile.portraits.description import describe
from pixelsmile.remote import BudgetSpentError, Picture, RemoteError

LIMITS = AnnotateSettings()
DRAWN = {"us": {"num_people": 2, "size_px": 128, "expressions": ["neutral", "happy"]}}
COLLECT = {"drawn": DRAWN, "min_side_px": 128, "shard_rows": 3}


def done(folder: Path, **settings: object) -> list[Row]:
    """The annotated rows of two drawn people, at rest and happy."""
    for _ in build(folder, people(collect=COLLECT, annotate=settings)):
        pass
    return list(StepFolder(folder / "annotate").all_rows())


def row(expression: str | None = None, strength: float | None = None, **fields: object) -> Row:
    """scores: of the expressions that are named, 0 of the others."""
    if isinstance(scores := fields.get("scores"), dict):
        fields["scores"] = tuple(scores.get(name, 0.0) for name in EXPRESSIONS)
    return Row(
        id="0" * 16, source="s", key="k", domain="human", expression=expression, strength=strength, **fields
    )


def script(folder: Path, rows: list[Row], answers: list[dict[str, float]], name: str) -> str:
    """A judge that gives each picture its scores; the highest is dominant."""
    lines = []
    for one, scores in zip(rows, answers, strict=True):
        labels = {e.judge_label: scores.get(e.name, 0.0) for e in TAXONOMY}
        highest = max(labels, key=lambda label: labels[label])
        answer = {"scores": labels, "dominant": highest if labels[highest] else "Neutral"}
        lines.append(json.dumps({"picture": _pixels(folder, one), "answer": answer}))
    file = folder.parent / name
    file.write_text("\n".join(lines))
    return f"scripted:{file}"


def _pixels(folder: Path, one: Row) -> str:
    return Picture.read(load_image(folder / (one.picture or ""))).sha256


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("annotate") / "set"
    done(folder)
    return folder


@pytest.fixture
def pictures(annotated: Path, tmp_path: Path) -> tuple[Path, list[Row]]:
    folder = Path(shutil.copytree(annotated, tmp_path / "set"))
    return folder, list(StepFolder(folder / "annotate").all_rows())


def test_who_knows_drawn_portraits_judges_them(pictures):
    folder, rows = pictures
    assert [row.dominant for row in rows] == ["neutral", "happy", "neutral", "happy"]
    for found in rows:
        assert found.judge.startswith("embedded:drawn-portraits:")
        assert found.doubts == ()
        assert (found.no_verdict, found.agreement, found.panel_scores, found.statistician) == (None,) * 4
    happy = rows[1].scores[EXPRESSIONS.index("happy")]
    assert 0.6 < happy <= 1
    assert rows[1].confidence == confidence(rows[1].scores, None)
    assert not (folder / VERDICTS).exists()
    words = explanation(folder, "annotate", rows[1])
    assert words[1].startswith(f"happy {happy:.2f}, ")
    assert words[2] == "lead of happy over happy 0 (at most 0.15)"
    assert words[-1] == "doubts: none"


def test_the_function_goes_to_other_processes_without_its_judges(tmp_path):
    function = Annotate(tmp_path, LIMITS)
    assert len(function.record()) == 2  # of drawn portraits, and of photographs
    assert not function.in_process
    assert pickle.loads(pickle.dumps(function)) == function


def test_a_panel_is_its_mean_and_knows_how_far_it_agrees(pictures):
    folder, rows = pictures
    one = script(folder, rows, [{}, {"happy": 0.9}, {"fear": 0.4}, {"happy": 1}], "one")
    two = script(folder, rows, [{}, {"happy": 0.7}, {"fear": 0.2, "sad": 0.5}, {"happy": 0.3}], "two")
    for _ in build(folder, people(collect=COLLECT, annotate={"judges": [one, two]}), redo="annotate"):
        pass
    found = list(StepFolder(folder / "annotate").all_rows())
    assert [row.agreement for row in found] == [1, 0.8, 0.5, 0.3]
    assert [row.scores[EXPRESSIONS.index("happy")] for row in found] == [0, 0.8, 0, 0.65]
    assert [row.dominant for row in found] == ["neutral", "happy", "fear", "happy"]
    assert found[2].panel_scores[12:][EXPRESSIONS.index("sad")] == 0.5
    assert [row.doubts for row in found] == [(), (), ("not neutral",), ("judges disagree",)]
    assert found[0].judge.count("scripted:") == 2


def test_nothing_is_asked_twice_and_a_silent_judge_ends_the_step(pictures):
    folder, rows = pictures
    silent = folder.parent / "silent"
    silent.write_text(json.dumps({"picture": "0" * 64, "answer": {}}))
    with pytest.raises(
        RemoteError, match=r"annotate: scripted:\w+ gave no verdict on 3 pictures in a row \(empty: .*goes on"
    ) as stopped:
        for _ in build(
            folder, people(collect=COLLECT, annotate={"judges": [f"scripted:{silent}"]}), redo="annotate"
        ):
            pass
    assert len(str(stopped.value)) < 300
    assert not StepFolder(folder / "annotate").has(0)
    judge = script(folder, rows[:3], [{}, {"happy": 1}, {}], "most")
    settings = {"judges": [judge], "reject_no_verdict": True}
    for _ in build(folder, people(collect=COLLECT, annotate=settings), redo="annotate"):
        pass
    (left,) = StepFolder(folder / "annotate").all_rows(rejected=True)
    assert (left.reason, left.id, left.scores) == ("no verdict", rows[3].id, None)
    assert left.no_verdict.startswith("empty: ")
    assert (folder / VERDICTS).is_file()


def test_a_judge_that_fails_at_a_picture_costs_its_verdict_alone(pictures, monkeypatch):
    folder, rows = pictures
    look, num = EmbeddedJudge.look, 0

    def fails_at_the_second(judge: EmbeddedJudge, image: Image.Image) -> object:
        nonlocal num
        num += 1
        if num == 2:
            raise ZeroDivisionError("of a\nface")
        return look(judge, image)

    monkeypatch.setattr(EmbeddedJudge, "look", fails_at_the_second)
    found = Annotate(folder, LIMITS)([row.updated(scores=None) for row in rows])
    assert [row.no_verdict for row in found] == [None, "failed: ZeroDivisionError: of a face", None, None]
    assert found[1].doubts == ("no verdict",)
    assert found[2].scores == rows[2].scores


def test_a_judge_that_crashes_at_every_picture_ends_the_step(pictures, monkeypatch):
    folder, rows = pictures

    def fails(judge: EmbeddedJudge, image: Image.Image) -> object:
        raise ZeroDivisionError("of a\nface")

    monkeypatch.setattr(EmbeddedJudge, "look", fails)
    many = [row.updated(id=f"{row.id[:-2]}{copy:02}") for row in rows for copy in range(4)]
    with pytest.raises(RemoteError, match=r"8 pictures in a row \(failed: ZeroDivisionError: of a face\)"):
        Annotate(folder, LIMITS)(many)
    (last,) = Annotate(folder, LIMITS)(many[:1])  # one alone is that picture's fault
    assert last.no_verdict == "failed: ZeroDivisionError: of a face"


def test_judges_that_are_none_are_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ValidationError, match="judge 'gpt' is not understood: use auto, photo"):
        AnnotateSettings(judges=("gpt",))
    with pytest.raises(ValidationError, match="name each judge once"):
        AnnotateSettings(judges=("photo", "photo"))
    with pytest.raises(ValidationError, match="'photo' knows no statistics"):
        AnnotateSettings(statistics="photo")
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        done(tmp_path / "set", judges=["openai:gpt"])
    assert not (tmp_path / "set").exists()


def test_the_truth_of_drawn_people(tmp_path):
    rows = done(tmp_path / "set", statistics="drawn")
    first, second = rows[0], rows[2]
    assert [row.statistics_expression for row in rows] == ["neutral", "happy"] * 2
    assert {row.statistician for row in rows} == {"drawn"}
    assert (first.gender, first.style) == (None, None)
    assert first.appearance == rows[1].appearance != second.appearance
    assert len(first.appearance.split()) >= 8
    assert first.skin_tone in ("very_light", "light", "medium", "dark", "very_dark")


def test_what_is_doubted():
    def of(found: Row, base: Row | None = None) -> tuple[str, ...]:
        return doubts(found, base, LIMITS)

    assert of(row("happy", 0.8, scores={"happy": 0.75, "confident": 0.3})) == ()
    assert of(row("happy", 0.8, scores=None)) == ("no verdict",)
    assert of(row("happy", 0.8, scores={"happy": 0.5, "fear": 0.66})) == (
        "other expression",
        "contradicting scores",
    )
    assert of(row("happy", 0.8, scores={"happy": 0.29})) == ("weaker than asked",)
    assert of(row("happy", 0.25, scores={"happy": 0.76})) == ("stronger than asked",)
    assert of(row("happy", 1.4, scores={"happy": 0.6})) == ()  # a score goes no higher than 1
    assert of(row("neutral", scores={"happy": 0.31})) == ("not neutral",)
    assert of(row(scores={"happy": 0.31})) == ()
    assert of(row(scores={"sleepy": 0.4, "surprised": 0.35})) == ("contradicting scores",)
    assert of(row(scores={}, agreement=0.4, confidence=0.05)) == ("judges disagree", "low confidence")
    photo = tuple(None if name == "shy" else 0.0 for name in EXPRESSIONS)
    assert of(row("shy", 1, scores=photo)) == ("not judged",)
    assert of(row("happy", 1, scores={"happy": 1}, statistics_expression="sad")) == ("statistics disagree",)
    assert of(row("happy", 0, scores={"happy": 0}, statistics_expression="neutral")) == ()
    assert of(row("shy", 1, scores={"shy": 1}, statistics_expression="sad")) == ()
    base = row(scores={}, gender="female", age_group="child", skin_tone="light")
    assert of(row(scores={}, gender="female", age_group="teen", skin_tone="unknown"), base) == ()
    assert of(row(scores={}, gender="male", age_group="adult"), base) == ("person differs",)
    off = AnnotateSettings.model_validate(
        dict.fromkeys(
            (
                *("max_lead", "max_strength_error", "max_neutral", "max_contradiction"),
                *("min_agreement", "min_confidence"),
            )
        )
    )
    wrong = row("happy", 1, scores={"sad": 1, "happy": 0.4}, confidence=0, agreement=0)
    assert list(doubt_checks(wrong, None, off)) == []


def test_confidence_and_agreement():
    assert confidence([0.8, 0.2, 0], None) == 0.75
    assert confidence([0.8, 0.2, 0], 0.5) == 0.5
    assert confidence([0.1, 0.1, 0], None) == 0.9
    assert confidence([0.0], None) == 1
    assert confidence([1, 1], None) == 0
    assert panel_agreement([[0.5, None, 0], [0.25, 1, None], [0.6, 0.9, 0]]) == 0.65
    assert panel_agreement([[None, 1], [1, None]]) is None


def test_a_spent_budget_ends_the_step_and_more_goes_on(pictures, monkeypatch):
    from model_server import JudgeServer

    folder, _ = pictures
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with JudgeServer() as server:
        judge = {"judges": [f"openai:model@{server.url}/v1"], "max_concurrency": 2}
        little = people(collect=COLLECT, annotate={**judge, "max_requests": 2})
        with pytest.raises(BudgetSpentError, match=r"annotate: .*nothing is paid for twice"):
            list(build(folder, little, redo="annotate"))
        assert sum(server.asked.values()) == 2
        list(build(folder, people(collect=COLLECT, annotate=judge)))
        assert sum(server.asked.values()) == 4
        list(build(folder, people(collect=COLLECT, annotate={**judge, "max_neutral": 1}), redo="annotate"))
        assert sum(server.asked.values()) == 4


def test_statistics_of_a_model_and_of_bases_alone(pictures):
    folder, rows = pictures
    person = {
        "categorical": {
            "gender": "female",
            "age_group": "adult",
            "skin_tone": "light",
            "expression": "sad",
        },
        "descriptions": dict.fromkeys(
            ("appearance_sentence", "action_sentence", "background_sentence"), "Something is seen here."
        ),
    }
    lines = [{"picture": _pixels(folder, one), "answer": person} for one in rows[:2]]
    file = folder.parent / "statistics"
    file.write_text("\n".join(map(json.dumps, lines)))
    settings = {"statistics": f"scripted:{file}"}
    for _ in build(folder, people(collect=COLLECT, annotate=settings), redo="annotate"):
        pass
    first, second, third, _ = StepFolder(folder / "annotate").all_rows()
    assert (first.gender, first.age_group, first.statistics_expression) == ("female", "adult", "sad")
    assert first.appearance == "Something is seen here."
    assert first.judge.startswith("embedded:")
    assert first.statistician.startswith("scripted:")
    assert second.doubts == ("statistics disagree",)
    assert (third.gender, third.no_statistics) == (None, "empty: the question is not in statistics")
    assert third.scores is not None
    bases = Annotate(folder, AnnotateSettings(statistics="drawn", statistics_of="bases"))
    base, edit = bases([rows[0], rows[1].updated(base=rows[0].id)])
    assert (base.statistician, edit.statistician) == ("drawn", None)


def test_an_edit_of_somebody_else_is_doubted(pictures):
    folder, rows = pictures
    truth = Annotate(folder, AnnotateSettings(statistics="drawn"))
    base, edit, other = rows[0], rows[1].updated(base=rows[0].id), rows[3].updated(base=rows[0].id)
    told = [row.updated(identity_seed=seed) for row, seed in ((base, 1), (edit, 1), (other, _stranger(1)))]
    assert [row.doubts for row in truth(told)] == [(), (), ("person differs",)]
    assert [row.statistics_expression for row in truth(told)] == ["neutral", None, None]


def _stranger(seed: int) -> int:
    """Whose skin is at the other end of the palette."""
    tones = ("very_light", "light", "medium", "dark", "very_dark")
    place = tones.index(describe(sample_identity(seed)).skin_tone)
    return next(
        other
        for other in range(1000)
        if abs(tones.index(describe(sample_identity(other)).skin_tone) - place) > 1
    )
