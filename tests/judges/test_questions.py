"""Questions: what is asked is known by its content, and a picture alone by its own hash, as it always was."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_examples import picture_of, png_of, question_of
from PIL import Image

from pixelsmile.errors import ImageError, StrengthError
from pixelsmile.expressions import EXPRESSIONS, NEUTRAL
from pixelsmile.judges import (
    JudgeIdentity,
    Question,
    Sample,
    Target,
    cache_key,
)
from pixelsmile.judges.judge import (
    consistency_sample,
    quality_sample,
    truth_alignment_sample,
)

JUDGE = JudgeIdentity("p", "m", "r-1", "00", {})
PICTURES = [picture_of(seed) for seed in range(4)]
TARGETS = st.none() | st.builds(
    Target, st.sampled_from((*EXPRESSIONS, NEUTRAL)), st.none() | st.floats(0, 2).map(lambda x: round(x, 2))
)
QUESTIONS = st.builds(
    lambda seeds, words, target: Question(
        {caption: PICTURES[seed] for caption, seed in seeds}, "human", words, target
    ),
    st.lists(
        st.tuples(st.text(min_size=1), st.integers(0, 3)), min_size=1, max_size=3, unique_by=lambda s: s[0]
    ),
    st.text(),
    TARGETS,
)


def content(question: Question) -> tuple:
    shown = tuple((caption, picture.sha256) for caption, picture in question.pictures.items())
    return shown, question.words, question.target


@given(QUESTIONS, QUESTIONS)
def test_equal_hashes_are_equal_content(one, other):
    assert (one.sha256 == other.sha256) == (content(one) == content(other))


def test_a_picture_alone_is_known_by_its_own_hash():
    assert question_of(0).sha256 == picture_of(0).sha256
    others = [
        Question.read(png_of(0), "human", words="Smile."),
        Question.read(png_of(0), "human", target=Target("happy")),
        Question.read(png_of(0), "human", target=Target("happy", 0.5)),
        Question.read({"Edit": png_of(0)}, "human"),
        Question.read({"Source": png_of(0), "Edit": png_of(1)}, "human"),
        Question.read({"Edit": png_of(1), "Source": png_of(0)}, "human"),
    ]
    assert len({question.sha256 for question in others} | {picture_of(0).sha256}) == 7


def test_the_domain_is_part_of_the_key_alone():
    drawn, anime = (Question.read(png_of(0), domain, words="Smile.") for domain in ("human", "anime"))
    assert drawn.sha256 == anime.sha256
    assert cache_key(JUDGE, drawn) != cache_key(JUDGE, anime)


def test_metadata_makes_no_other_question():
    file = io.BytesIO()
    with Image.open(io.BytesIO(png_of(0))) as image:
        image.save(file, "PNG", compress_level=9, dpi=(72, 72))
    assert (
        Question.read({"Edit": file.getvalue()}, "human").sha256
        == quality_sample("", png_of(0)).question().sha256
    )


def test_what_is_no_question():
    with pytest.raises(ValueError, match="at least one picture"):
        Question({}, "human")
    with pytest.raises(ValueError, match="a caption each"):
        Question({"": picture_of(0), "Edit": picture_of(1)}, "human")
    with pytest.raises(ImageError):
        Question.read({"Source": png_of(0), "Edit": b"nothing"}, "human")


def test_what_can_be_asked_for():
    assert Target("happy", 1) == Target("happy", 1.0)
    assert Target(NEUTRAL).strength is None
    with pytest.raises(ValueError, match="no expression that could be asked for"):
        Target("bored")
    with pytest.raises(StrengthError):
        Target("happy", 2.1)


def test_samples_are_read_into_questions():
    target = Target("sad", 0.7)
    sample = consistency_sample("a", png_of(0), png_of(1), "Look sad.", "anime", target)
    question = sample.question()
    assert {caption: picture.sha256 for caption, picture in question.pictures.items()} == {
        "Source": picture_of(0).sha256,
        "Edit": picture_of(1).sha256,
    }
    assert (question.domain, question.words, question.target) == ("anime", "Look sad.", target)
    assert list(truth_alignment_sample("a", png_of(0), png_of(1)).question().pictures) == [
        "Reference",
        "Edit",
    ]
    assert Sample("a", png_of(0), "human").question().sha256 == picture_of(0).sha256
