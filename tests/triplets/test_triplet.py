"""What a triplet may be, and the reference's JSON lines, read and written."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixelsmile.errors import InputError
from pixelsmile.expressions import DOMAINS, EXPRESSIONS, JUDGE_LABELS, SYNONYMS
from pixelsmile.triplets.annotated import AnnotatedPicture, read_annotated
from pixelsmile.triplets.triplet import (
    SourceImage,
    Target,
    Triplet,
    TripletLine,
    one_hot_scores,
    read_numbered_triplets,
    read_triplets,
    triplets_bytes,
)

SOURCE = SourceImage(Path("s.png"))
FEAR = Target(Path("a.png"), "fear", {"fear": 0.8, "surprised": 0.9})


def test_the_strength_is_the_score_for_its_own_expression_not_the_highest() -> None:
    assert FEAR.strength == 0.8


def test_images_come_as_source_a_b() -> None:
    triplet = Triplet(SOURCE, FEAR, Target(Path("b.png"), "sad", {"sad": 0.0}))
    assert triplet.images == (Path("s.png"), Path("a.png"), Path("b.png"))


@pytest.mark.parametrize(
    ("expression", "scores", "message"),
    [
        ("neutral", {"neutral": 0.0}, "'a.png' has a score for 'neutral'"),
        ("Fear", {"fear": 0.5}, "'a.png' shows 'Fear'"),
        ("fear", {"sad": 0.5}, "no score for its own expression fear"),
        ("fear", {"fear": 2.01}, "a score of 2.01 for fear"),
        ("fear", {"fear": 0.5, "sad": -0.1}, "a score of -0.1 for sad"),
        ("fear", {"fear": float("nan")}, "a score of nan for fear"),
        ("fear", {"fear": 0.5, "glee": 0.1}, "a score for 'glee'"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(
    expression: str, scores: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Target(Path("a.png"), expression, scores)


def test_an_instruction_leads_to_one_target_which_may_be_neutral() -> None:
    rest = Target(Path("t.png"), "neutral", {})
    triplet = Triplet(SOURCE, rest, instruction="Let the whole face rest.")
    assert (triplet.targets, triplet.images) == ((rest,), (Path("s.png"), Path("t.png")))
    assert rest.strength == 0
    with pytest.raises(InputError, match=r"'s\.png' has one target: .* a second one, or an instruction"):
        Triplet(SOURCE, FEAR)
    with pytest.raises(InputError, match=r"'t\.png' shows 'neutral': use it with an instruction"):
        Triplet(SOURCE, FEAR, rest)
    with pytest.raises(InputError, match="two targets and an instruction"):
        Triplet(SOURCE, FEAR, Target(Path("b.png"), "sad", {"sad": 0.1}), instruction="Frown.")


def test_two_targets_of_one_expression_are_refused() -> None:
    with pytest.raises(InputError, match=r"both targets of 's\.png' show fear"):
        Triplet(SOURCE, FEAR, Target(Path("b.png"), "fear", {"fear": 0.1}))


def test_one_hot_scores() -> None:
    scores = one_hot_scores("shy", 0.75)
    assert set(scores) == set(EXPRESSIONS)
    assert scores.pop("shy") == 0.75
    assert set(scores.values()) == {0.0}
    assert set(one_hot_scores("neutral", 1.0).values()) == {0.0}


REFERENCE_LINE: dict[str, Any] = {
    "src": {"image": "s.png", "boxes": [80, 60.5, 300, 310]},
    "dst": [
        {"image": "deep/a.png", "category": "fear", "scores": {"fear": 0.8, "surprised": 0.4}},
        {"image": "/far/b.png", "category": "surprised", "scores": {"surprised": 1}, "boxes": None},
    ],
}


def changed(*keys: str | int, to: Any) -> dict[str, Any]:
    """The line with another value at one place."""
    line = json.loads(json.dumps(REFERENCE_LINE))
    place = line
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    return line


def write(path: Path, *lines: Any) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


finite = st.floats(allow_nan=False, allow_infinity=False)
points = st.tuples(finite, finite)
boxes = st.tuples(finite, finite, finite, finite).filter(lambda box: box[0] < box[2] and box[1] < box[3])
landmarks = st.tuples(points, points, points, points, points)
texts = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), max_size=8)
names = texts.map(lambda text: f"{text}.png")


@st.composite
def targets(draw: st.DrawFn, root: Path, expression: str) -> Target:
    given = [expression, *draw(st.lists(st.sampled_from(EXPRESSIONS), max_size=3))]
    scores = {name: draw(st.floats(0, 1)) for name in given}
    place = [draw(st.none() | boxes), draw(st.none() | landmarks)]
    return Target(root / draw(names), expression, scores, *place)


@st.composite
def triplets(draw: st.DrawFn, root: Path) -> Triplet:
    a, b = draw(st.lists(st.sampled_from(EXPRESSIONS), min_size=2, max_size=2, unique=True))
    source = SourceImage(root / draw(names), draw(st.none() | boxes), draw(st.none() | landmarks))
    if words := draw(texts).strip():
        return Triplet(source, draw(targets(root, a)), instruction=words)
    return Triplet(
        source,
        draw(targets(root, a)),
        draw(targets(root.parent / "elsewhere", b)),
        draw(st.sampled_from(DOMAINS)),
        draw(st.none() | texts),
    )


ROOT = Path("/data/set")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(triplets(ROOT))
def test_a_line_read_back_is_the_triplet(triplet: Triplet) -> None:
    text = TripletLine.of(triplet, ROOT).model_dump_json()
    assert "\n" not in text
    assert TripletLine.model_validate_json(text).triplet(ROOT, "human") == triplet


@settings(deadline=None)
@given(st.sampled_from(sorted(SYNONYMS)), st.sampled_from([str.upper, str.title, str]))
def test_any_name_of_an_expression_is_understood(name: str, case: Any) -> None:
    expression = SYNONYMS[name]
    line = changed("dst", 0, to={"image": "a.png", "category": case(name), "scores": {case(name): 0.3}})
    other = "happy" if expression != "happy" else "sad"
    line["dst"][1] = {"image": "b.png", "category": other, "scores": {other: 0.2}}
    if expression == "neutral":
        with pytest.raises(ValueError, match="neutral has no score"):
            TripletLine.model_validate_json(json.dumps(line))
    else:
        triplet = TripletLine.model_validate_json(json.dumps(line)).triplet(ROOT, "human")
        assert (triplet.a.expression, triplet.a.scores) == (expression, {expression: 0.3})


def test_a_file_of_the_reference_is_read(tmp_path: Path) -> None:
    labels = {label: 0.1 for label in JUDGE_LABELS}
    second = changed("dst", 0, "scores", to=labels)
    path = write(tmp_path / "train.jsonl", REFERENCE_LINE, second)
    path.write_text("\ufeff" + path.read_text() + "\r\n\n")
    numbered = read_numbered_triplets(path, root=Path("/data"), domain="anime")
    (_, first), (_, other) = numbered
    assert first.source == SourceImage(Path("/data/s.png"), (80.0, 60.5, 300.0, 310.0))
    assert first.a == Target(Path("/data/deep/a.png"), "fear", {"fear": 0.8, "surprised": 0.4})
    assert first.b == Target(Path("/far/b.png"), "surprised", {"surprised": 1.0})
    assert (first.domain, first.identity, first.a.strength) == ("anime", None, 0.8)
    assert other.a.scores == dict.fromkeys(JUDGE_LABELS.values(), 0.1)


PAIR_LINE: dict[str, Any] = {
    "src": {"image": "s.png"},
    "dst": [{"image": "t.png", "category": "neutral", "scores": {}}],
    "instruction": " Let the whole face rest. ",
}


def test_a_line_with_an_instruction_is_read_and_written(tmp_path: Path) -> None:
    ((_, triplet),) = read_numbered_triplets(write(tmp_path / "pairs.jsonl", PAIR_LINE))
    rest = Target(tmp_path / "t.png", "neutral", {})
    assert triplet == Triplet(SourceImage(tmp_path / "s.png"), rest, instruction="Let the whole face rest.")
    written = json.loads(triplets_bytes([triplet], tmp_path))
    assert written == {**PAIR_LINE, "instruction": "Let the whole face rest.", "domain": "human"}


def test_a_file_holds_one_kind_of_triplets(tmp_path: Path) -> None:
    path = write(tmp_path / "both.jsonl", REFERENCE_LINE, PAIR_LINE)
    with pytest.raises(InputError, match=r"both\.jsonl', line 2: .* in a file of their own"):
        read_numbered_triplets(path)


def test_what_is_written_has_the_keys_of_the_reference_and_nothing_that_is_unknown(tmp_path: Path) -> None:
    triplet = Triplet(
        SourceImage(tmp_path / "s.png"),
        Target(tmp_path / "a.png", "fear", {"fear": 0.5}, (1, 2, 3, 4)),
        Target(Path("/far/b.png"), "sad", {"sad": 0.25}),
    )
    assert json.loads(triplets_bytes([triplet], tmp_path)) == {
        "src": {"image": "s.png"},
        "dst": [
            {"image": "a.png", "category": "fear", "scores": {"fear": 0.5}, "boxes": [1, 2, 3, 4]},
            {"image": "/far/b.png", "category": "sad", "scores": {"sad": 0.25}},
        ],
        "domain": "human",
    }
    odd = Triplet(SourceImage(tmp_path / "\udcff.png"), triplet.a, triplet.b)
    with pytest.raises(InputError, match="is not UTF-8: rename the picture"):
        triplets_bytes([odd], tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (changed("src", to={}), r"src\.image is missing: add it"),
        (changed("src", "image", to=""), r"src\.image is ''"),
        (changed("src", "box", to=[1, 2, 3, 4]), r"unknown key src\.box: did you mean 'src\.boxes'\?"),
        (changed("prompt", to="smile"), r"unknown key prompt: known here are src, dst"),
        (changed("dst", 0, "category", to="hapy"), "category: unknown expression 'hapy': did you mean happy"),
        (changed("dst", 0, "category", to="neutral"), "shows 'neutral'"),
        (changed("dst", 0, "category", to="surprise"), "both targets of .* show surprised"),
        (changed("dst", 0, "category", to="sad"), "no score for its own expression sad"),
        (changed("dst", 0, "scores", "fear", to=2.5), r"dst\.0\.scores\.fear is 2\.5: .*less than"),
        (changed("dst", 0, "scores", "fear", to="0.5"), r"dst\.0\.scores\.fear is '0\.5'"),
        (changed("dst", 0, "scores", "fear", to=True), r"dst\.0\.scores\.fear is True"),
        (changed("dst", 0, "scores", "fear", to=float("nan")), "NaN is no JSON"),
        (changed("dst", 0, "scores", "Fear", to=0.8), "two scores for fear, one as 'Fear'"),
        (changed("dst", 0, "scores", "calm", to=0.8), "neutral has no score"),
        (changed("dst", 0, "scores", "glee", to=0.8), "unknown expression 'glee'"),
        (changed("dst", 0, "boxes", to=[1, 2, 3]), r"dst\.0\.boxes is \[1, 2, 3\]: it needs more values"),
        (changed("dst", 0, "boxes", to=[5, 2, 3, 4]), r"dst\.0\.boxes: \[5\.0, 2\.0, .*x1 < x2"),
        (changed("dst", 0, "boxes", to=[[1, 2, 3, 4]]), r"dst\.0\.boxes\.0 is \[1, 2, 3, 4\]"),
        (changed("dst", to=REFERENCE_LINE["dst"][:1]), r"s\.png' has one target"),
        (changed("dst", to=[]), "dst is a list of 0: .*at least 1 item"),
        (changed("instruction", to="Frown."), "two targets and an instruction"),
        ({**PAIR_LINE, "instruction": " "}, r"instruction: it is empty"),
        ({**PAIR_LINE, "instruction": 7}, r"instruction is 7"),
        (changed("dst", to=REFERENCE_LINE["dst"] * 2), "dst is .*at most 2 items"),
        (changed("domain", to="cat"), r"domain is 'cat'"),
        ([1], "it is a list of 1"),
    ],
)
def test_a_wrong_line_is_named_with_key_value_and_advice(tmp_path: Path, line: Any, message: str) -> None:
    path = write(tmp_path / "train.jsonl", REFERENCE_LINE, line)
    with pytest.raises(InputError, match=rf"train\.jsonl', line 2: .*{message}"):
        read_numbered_triplets(path)


def test_all_wrong_lines_are_counted(tmp_path: Path) -> None:
    bad = changed("dst", 0, "scores", "fear", to=3)
    path = write(tmp_path / "train.jsonl", REFERENCE_LINE, bad, REFERENCE_LINE, bad)
    with pytest.raises(InputError, match=r"line 2: .*; 2 lines are wrong in all"):
        read_numbered_triplets(path)


def test_a_line_that_is_cut_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(REFERENCE_LINE)[:-20])
    with pytest.raises(InputError, match=r"line 1: it is no valid JSON"):
        read_numbered_triplets(path)


def test_missing_pictures_are_counted_and_the_first_named(tmp_path: Path) -> None:
    (tmp_path / "s.png").touch()
    more = [changed("dst", 0, "image", to=f"{number}.png") for number in range(4)]
    path = write(tmp_path / "train.jsonl", REFERENCE_LINE, REFERENCE_LINE, *more)
    with pytest.raises(InputError, match="6 of the 7 pictures named in") as caught:
        read_triplets(path)
    message = str(caught.value)
    assert "deep/a.png' (line 1): check the paths" in message


@pytest.mark.parametrize(("content", "message"), [(b"\n\n", "holds no line"), (b"\xff\xfe", "no UTF-8 text")])
def test_a_file_without_lines_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_triplets(path)
    with pytest.raises(InputError, match="there is no file"):
        read_triplets(tmp_path / "none.jsonl")


def test_annotated_pictures_are_read(tmp_path: Path) -> None:
    scores = dict.fromkeys(EXPRESSIONS, 0.25)
    line = {"image": "a.png", "identity": "p7", "category": "Drowsiness", "scores": scores}
    path = write(tmp_path / "pictures.jsonl", line, {**line, "category": "neutral", "domain": "anime"})
    with pytest.raises(InputError, match="1 of the 1 pictures"):
        read_annotated(path)
    (tmp_path / "a.png").touch()
    sleepy, neutral = read_annotated(path)
    assert sleepy == AnnotatedPicture(tmp_path / "a.png", "p7", "sleepy", scores)
    assert (neutral.expression, neutral.domain, neutral.top_score) == ("neutral", "anime", 0.25)


def test_an_annotated_picture_has_all_scores(tmp_path: Path) -> None:
    line = {"image": "a.png", "identity": "p7", "category": "fear", "scores": {"fear": 1.0}}
    with pytest.raises(InputError, match=r"line 1: .*no score for angry, .*: annotate all 12"):
        read_annotated(write(tmp_path / "pictures.jsonl", line))
