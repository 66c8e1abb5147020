"""What people say: the sample they see, what their files may hold, and how far they agree."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from pixelsmile.dataset.human_ratings import agreement_of, rating_page, read_answers, sample
from pixelsmile.dataset.rows import Row
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.hashing import sha256_file


def row(number: int, expression: str | None = None, **fields: object) -> Row:
    if isinstance(scores := fields.get("scores"), dict):
        fields["scores"] = tuple(scores.get(name, 0.0) for name in EXPRESSIONS)
    return Row(id=f"{number:016x}", source="s", key="k", domain="human", expression=expression, **fields)


def answers(path: Path, rater: str, said: dict[int, dict[str, float] | None]) -> Path:
    """A file of one person; None for what cannot be told."""
    lines = [
        {"id": f"{number:016x}", "rater": rater, "scores": scores or {}, "unclear": scores is None}
        for number, scores in said.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_sample_is_even_over_labels_and_the_same_for_a_seed():
    rows = [row(number, "happy") for number in range(50)] + [row(100 + n, "sad") for n in range(3)]
    drawn = sample(rows, 8, 0)
    assert [one.expression for one in drawn].count("sad") == 3
    assert len({one.id for one in drawn}) == 8
    assert sample(rows[::-1], 8, 0) == drawn
    assert sample(rows, 8, 1) != drawn
    assert len(sample(rows, 100, 0)) == 53
    with pytest.raises(InputError, match="no pictures are annotated"):
        sample([], 8, 0)


def test_the_page_tells_nothing_of_what_a_picture_is_meant_to_be(tmp_path):
    Image.new("RGB", (500, 300), "red").save(tmp_path / "a.png")
    sha256 = sha256_file(tmp_path / "a.png")
    shown = row(1, "happy", picture="a.png", sha256=sha256, dominant="happy", strength=0.75)
    page = rating_page(tmp_path, [shown])
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    (shown,) = data["rows"]
    assert sorted(shown) == ["id", "uri"]
    assert [one["name"] for one in data["expressions"]] == [*EXPRESSIONS, "neutral"]
    keys = [one["key"] for one in data["expressions"]]
    assert len(set(keys)) == 13
    assert all(one["key"] in one["name"] for one in data["expressions"])
    assert "http" not in page.replace("http-equiv", "")


def test_people_who_agree_and_a_judge_that_does_not(tmp_path):
    said = {1: {"happy": 1.0}, 2: {}, 3: {"sad": 0.5}, 4: {"happy": 0.5}, 5: None}
    files = [answers(tmp_path / name, name, said) for name in ("anna", "ben")]
    judged = [
        row(1, scores={"happy": 1.0}, dominant="happy"),
        row(2, scores={}, dominant="neutral"),
        row(3, scores={"happy": 0.5}, dominant="happy"),
        row(4, scores={"happy": 0.5}, dominant="happy"),
        row(5, scores={"happy": 0.5}, dominant="happy"),
    ]
    found = agreement_of(read_answers(files), judged)
    assert found.raters == {"anna": 4, "ben": 4}
    assert (found.num_pictures, found.num_unclear, found.num_unknown) == (5, 2, 0)
    assert found.people["happy"].value == found.people["all"].value == found.people_dominant.value == 1
    assert found.people["happy"].num_units == 4
    assert found.people["angry"].value is None
    assert found.same == 0.75
    # Happy 1, 0, 0, .5 and 1, 0, .5, .5: squared differences .25 in 4 pairs, and 9.75 in the 28 of 8 values.
    assert found.judge["happy"].value == pytest.approx(1 - (0.25 / 4) / (9.75 / 28))
    # Of happy, neutral, sad, happy and happy, neutral, happy, happy, 17 of 28 pairs of values differ.
    assert found.judge_dominant.value == pytest.approx(1 - (1 / 4) / (17 / 28))


def test_the_last_line_counts_and_strangers_are_left_out(tmp_path):
    file = answers(tmp_path / "a", "anna", {1: {"sad": 1.0}, 9: {}})
    file.write_text(file.read_text() + json.dumps({"id": f"{1:016x}", "rater": "anna", "scores": {}}) + "\n")
    found = agreement_of(read_answers([file]), [row(1, scores={}, dominant="neutral")])
    assert (found.num_unknown, found.same, found.people["all"].value) == (1, 1, None)
    with pytest.raises(InputError, match="about no picture of this data set"):
        agreement_of(read_answers([file]), [row(7)])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"id": "x"}, "rater"),
        ({"id": "x", "rater": "a", "scores": {"glad": 1}}, "'glad' is none of"),
        ({"id": "x", "rater": "a", "scores": {"happy": 2}}, "happy"),
        ({"id": "x", "rater": "a", "scores": {"happy": None}}, "happy"),
        ({"id": "x", "rater": "", "scores": {}}, "rater"),
    ],
)
def test_files_that_are_no_answers(tmp_path, line, message):
    (tmp_path / "a").write_text(json.dumps(line))
    with pytest.raises(InputError, match=rf"line 1: .*{message}") as refused:
        read_answers([tmp_path / "a"])
    assert len(str(refused.value)) < 500
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="holds no answer"):
        read_answers([tmp_path / "a"])
