"""Screen: each fault that is planted in a drawn edit is told by its reason, and a clean edit stays."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from dataset.dataset_examples import people
from PIL import Image, ImageFilter

from pixelsmile.dataset.build import build
from pixelsmile.dataset.config import FaceSettings
from pixelsmile.dataset.edit_config import ScreenSettings
from pixelsmile.dataset.explain import explain, explanation
from pixelsmile.dataset.export.preferences import failed_stage, preferences
from pixelsmile.dataset.faces import with_face
from pixelsmile.dataset.folder import CONFIG_NAME
from pixelsmile.dataset.review import review_page
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.screen import Screen
from pixelsmile.dataset.screen_checks import edit_checks
from pixelsmile.dataset.step_folder import StepFolder
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.hashing import sha256_file
from pixelsmile.portraits import Portrait, action_units, draw_portrait, sample_identity

SIZE_PX = 160
FACES = FaceSettings(min_px=40)
PERSON, OTHER = sample_identity(41_000_001), sample_identity(41_000_007)
SCENE = ("seed", "clothes", "clothes_color", "background", "background_colors", "shift_x", "shift_y", "turn")


def drawn(expression: str, strength: float, identity=PERSON) -> Portrait:
    return draw_portrait(identity, action_units(expression, strength), "human", SIZE_PX)


class Builder:
    """Rows of one base in a folder, with the truth as the judge's scores."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.num = folder, 0
        self.base = self.row(drawn("neutral", 0), "neutral", 0.0)
        self.base = with_face(self.base, Image.open(folder / self.base.picture), FACES)

    def row(self, shown: Portrait, expression: str, strength: float, **fields) -> Row:
        self.num += 1
        name = f"{self.num}.png"
        fields.setdefault("scores", tuple(round(shown.truth.scores[name], 4) for name in EXPRESSIONS))
        image = fields.pop("image", shown.image)
        image.save(self.folder / name)
        row = Row(id=f"{self.num:016x}", source="s", key=name, domain="human", is_drawn=True)
        return row.updated(
            picture=name,
            sha256=sha256_file(self.folder / name),
            width_px=image.width,
            height_px=image.height,
            expression=expression,
            strength=strength,
            **fields,
        )

    def edit(self, expression: str = "happy", strength: float = 0.8, shown: Portrait | None = None, **fields):
        shown = shown or drawn(expression, strength)
        fields.setdefault("prompt", f"{expression} {strength}")
        return self.row(shown, expression, strength, base=self.base.id, base_expression="neutral", **fields)

    def screened(self, *edits: Row, **settings) -> list[Row]:
        """What becomes of the edits; the base comes first, and is left out."""
        screen = Screen(self.folder, ScreenSettings(**settings), FACES)
        return screen([self.base, *edits])[1:]


@pytest.fixture
def rows(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_a_clean_edit_stays_with_every_number(rows):
    (row,) = rows.screened(rows.edit())
    assert row.reason is None
    assert row.faults is None
    assert (row.num_faces, row.size_share, row.label_score) == (1, 1.0, pytest.approx(0.8, abs=0.05))
    assert row.label_fit == pytest.approx(row.label_score / 0.8, abs=1e-3)
    assert row.label_excess == pytest.approx(row.label_score - 0.8, abs=1e-3)
    assert row.background_rmse < 3 < row.face_change
    assert row.identity_cosine > 0.8
    assert row.score_change > 0.5
    assert row.nearest is None
    fields = {check.what for check in edit_checks(row, ScreenSettings(), FACES)}
    assert {"face_px", "sharpness_share", "label_fit", "identity_cosine", "background_rmse"} <= fields


def test_planted_faults_have_their_reasons(rows):
    clean = drawn("happy", 0.8)
    stranger = replace(OTHER, **{name: getattr(PERSON, name) for name in SCENE})
    elsewhere = replace(PERSON, background_colors=((250, 20, 20), (20, 20, 250)))
    two = clean.image.copy()
    two.paste(drawn("neutral", 0, OTHER).image.resize((70, 70)), (0, 0))
    planted = {
        "no change": {"shown": drawn("neutral", 0), "scores": clean.truth},
        "too weak": {"shown": drawn("happy", 0.3)},
        "other expression": {"shown": drawn("surprised", 0.8)},
        "identity lost": {"shown": drawn("happy", 0.8, stranger)},
        "background changed": {"shown": drawn("happy", 0.8, elsewhere)},
        "blurred by the edit": {"image": clean.image.filter(ImageFilter.GaussianBlur(1.6))},
        "several faces": {"image": two},
        "picture too small": {"image": clean.image.resize((140, 140), Image.Resampling.LANCZOS)},
        "other shape": {"image": clean.image.resize((SIZE_PX, 130))},
        "no face": {"image": Image.new("RGB", clean.image.size, (128, 128, 128))},
        "not judged": {"scores": None},
    }
    edits = []
    for fields in planted.values():
        if "scores" in fields and fields["scores"] is not None:
            fields["scores"] = tuple(fields["scores"].scores[name] for name in EXPRESSIONS)
        edits.append(rows.edit(**fields))
    found = rows.screened(*edits, drawn={"min_nearest_change": None, "max_drop": None})
    told = {name: row.faults.split("; ") for name, row in zip(planted, found, strict=True)}
    assert all(name in faults for name, faults in told.items()), told
    by_name = dict(zip(planted, found, strict=True))
    assert by_name["identity lost"].reason == "identity lost"
    assert by_name["background changed"].faults == "background changed"
    assert by_name["other expression"].measured is not None
    assert failed_stage(by_name["background changed"]) == "background"
    assert (by_name["too weak"].limit, by_name["too weak"].step) == (0.75, "screen")


def test_one_limit_of_photographs_leaves_the_others():
    settings = ScreenSettings.model_validate({"human": {"min_fit": 0.4}})
    assert settings.human == ScreenSettings().human.model_copy(update={"min_fit": 0.4})
    assert settings.human.min_identity == 0.94
    assert ScreenSettings.model_validate_json(settings.model_dump_json()) == settings


def test_a_weak_edit_is_judged_by_its_sweep_alone(rows):
    edit = rows.edit("happy", 0.25, shown=drawn("sad", 0.25))
    free = {"min_face_change": None, "min_score_change": None}
    assert rows.screened(edit, drawn=free)[0].faults is None
    assert rows.screened(edit, drawn={**free, "judged_from": 0.2})[0].reason == "too weak"


def test_no_limit_is_none(rows):
    edit = rows.edit(scores=None)
    assert rows.screened(edit, keep_unjudged=True)[0].reason is None
    weak = rows.edit("happy", 0.8, shown=drawn("happy", 0.2))
    limits = {"min_fit": None, "max_other": None}
    assert rows.screened(weak, drawn=limits)[0].reason is None


def test_a_base_that_is_not_as_labelled_goes_with_its_edits(rows):
    wrong = rows.base.updated(expression="sad", strength=0.8)
    base, edit = Screen(rows.folder, ScreenSettings(), FACES)([wrong, rows.edit()])
    assert base.reason == edit.reason == "base not as labelled"
    assert base.measured == edit.measured < base.limit == 0.75
    neutral = rows.base.updated(scores=tuple(drawn("sad", 1).truth.scores[name] for name in EXPRESSIONS))
    assert Screen(rows.folder, ScreenSettings(), FACES)([neutral])[0].reason == "base not as labelled"
    (alone,) = Screen(rows.folder, ScreenSettings(), FACES)([rows.edit()])
    assert alone.reason == "no base"


def test_of_two_that_are_alike_the_one_stays_that_fits_its_label(rows):
    right, copy = rows.edit("happy", 0.8), rows.edit("happy", 0.6, shown=drawn("happy", 0.8))
    found = rows.screened(copy, right, drawn={"max_drop": None})
    assert [row.reason for row in found] == ["near duplicate", None]
    assert (found[0].detail, found[0].measured, found[1].nearest) == (right.id, 0.0, copy.id)


def test_two_prompts_for_one_change_are_no_duplicates(rows):
    found = rows.screened(rows.edit(prompt="simple"), rows.edit(prompt="dense, with more words"))
    assert [row.reason for row in found] == [None, None]
    found = rows.screened(rows.edit(prompt="simple"), rows.edit(prompt="simple"))
    assert [row.reason for row in found] == [None, "near duplicate"]


def test_sweeps_rise_in_even_steps(rows):
    strengths = (0.4, 0.6, 0.8, 1.0)
    even = [rows.edit("happy", strength) for strength in strengths]
    assert [(row.reason, row.sweep_drop) for row in rows.screened(*even)] == [(None, 0.0)] * 4
    limits = {"min_fit": None, "max_excess": None, "max_other": None}
    exchanged = [
        even[0],
        *(rows.edit("happy", s, shown=drawn("happy", 1.4 - s)) for s in (0.6, 0.8)),
        even[3],
    ]
    assert [row.reason for row in rows.screened(*exchanged, drawn=limits)] == [
        None,
        "not rising",
        "not rising",
        None,
    ]
    jump = [
        rows.edit("happy", s, shown=drawn("happy", 0.02 * n if n < 3 else 1)) for n, s in enumerate(strengths)
    ]
    free = {**limits, "min_score_change": None, "min_face_change": None, "min_nearest_change": None}
    found = rows.screened(*jump, drawn=free)
    assert {row.reason for row in found} == {"uneven steps"}
    assert found[0].step_ratio > 2.4
    assert all("uneven steps" in row.faults for row in rows.screened(*jump))


def test_people_decide(rows):
    edits = [rows.edit("happy"), rows.edit("sad"), rows.edit("angry")]
    files = []
    for number, keeps in enumerate(((True, False), (True, True), (False, False))):
        lines = [json.dumps({"id": row.id, "keep": keep}) for row, keep in zip(edits, keeps, strict=False)]
        files.append(rows.folder / f"{number}.jsonl")
        files[-1].write_text("\n".join(lines) + "\n")
    found = rows.screened(*edits, decisions=tuple(map(str, files)), min_keep_share=0.6)
    assert [row.reason for row in found] == [None, "dropped by a person", "no agreement"]
    assert [(row.num_votes, row.keep_share) for row in found] == [(3, 0.6667), (3, 0.3333), (None, None)]


def test_decisions_that_are_not_there_are_told_before_any_work(tmp_path):
    edits = {"compose": {"instructions": {}}, "generate": {"editor": "truth"}, "annotate": {}}
    config = people(1, **edits, screen={"decisions": [str(tmp_path / "anna.jsonl")]})
    with pytest.raises(InputError, match=r"there is no file .*anna.jsonl"):
        list(build(tmp_path / "set", config))
    assert not (tmp_path / "set").exists()


def test_a_panel_has_to_agree(rows):
    found = rows.screened(rows.edit("happy", agreement=0.4), rows.edit("sad", agreement=0.6))
    assert [(row.reason, row.measured) for row in found] == [("no agreement", 0.4), (None, None)]


def test_a_page_shows_an_edit_beside_its_base(rows):
    edit = rows.edit("happy", 0.8, base_picture=rows.base.picture, prompt="Smile <broadly>")
    page, num = review_page(rows.folder, [rows.base, edit], start=0, num=5)
    assert num == 2
    shown = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["rows"]
    assert [row["pair"] for row in shown] == [False, True]
    assert shown[1]["words"] == "happy 0.8: Smile <broadly>"
    sizes = [Image.open(io.BytesIO(base64.b64decode(row["uri"].partition(",")[2]))).size for row in shown]
    side = round(2 * rows.base.face_px)
    assert rows.base.face_px < SIZE_PX / 2
    assert sizes[0] == (SIZE_PX, SIZE_PX)
    assert sizes[1] == pytest.approx((2 * side, side), rel=0.1)  # a face is not quite square


def test_an_edit_is_explained_from_the_step_that_asked_for_it(rows):
    edit = rows.edit()
    screened = Screen(rows.folder, ScreenSettings(), FACES)([rows.base, edit])
    (rows.folder / CONFIG_NAME).write_text("")
    for name, found in {"collect": [rows.base], "faces": [rows.base], "compose": [rows.base, edit]}.items():
        StepFolder(rows.folder / name).begin(FACES.model_dump(mode="json"), {})
        StepFolder(rows.folder / name).write(0, found)
    StepFolder(rows.folder / "screen").begin(ScreenSettings().model_dump(mode="json"), {})
    StepFolder(rows.folder / "screen").write(0, screened)
    told = dict(explain(rows.folder, edit.id))
    assert list(told) == ["compose", "screen"]
    words = explanation(rows.folder, "screen", told["screen"])
    assert words[0] == f"edit of {rows.base.id}"
    assert f"identity_cosine {screened[1].identity_cosine:g} (at least 0.71)" in words
    assert f"label_fit {screened[1].label_fit:g} (at least 0.75)" in words
    (word,) = explanation(rows.folder, "screen", screened[0])
    assert word.startswith("base's label_score ")


def test_what_goes_wrong_with_a_row_costs_it_alone(rows):
    good, bad = rows.edit("happy"), rows.edit("sad")
    (rows.folder / bad.picture).write_bytes(b"no picture")
    assert [row.reason for row in rows.screened(good, bad)] == [None, "failed"]


def test_near_misses_are_preferences(rows):
    elsewhere = replace(PERSON, background_colors=((250, 20, 20), (20, 20, 250)))
    both = replace(OTHER, background_colors=((250, 20, 20), (20, 20, 250)))
    good, half = rows.edit("happy", 0.8), rows.edit("happy", 0.5)
    miss = rows.edit("happy", 0.85, shown=drawn("happy", 0.85, elsewhere))
    wrong = rows.edit("happy", 0.75, shown=drawn("happy", 0.75, both))
    alone = rows.edit("sad", 0.8, shown=drawn("sad", 0.8, elsewhere))
    screened = Screen(rows.folder, ScreenSettings(), FACES)([rows.base, good, half, miss, wrong, alone])
    step_folder = StepFolder(rows.folder / "screen")
    step_folder.path.mkdir()
    step_folder.write(0, screened)
    (found,) = preferences(step_folder)
    assert (found.base.id, found.chosen.id, found.rejected.id) == (rows.base.id, good.id, miss.id)
    assert (found.prompt, found.stage) == ("happy 0.8", "background")
