"""Sentences that ask for an expression: read where they are plain, refused where one would have to guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelsmile.errors import MAX_MESSAGE, ExpressionError
from pixelsmile.expressions import EXPRESSIONS, MAX_STRENGTH, SYNONYMS, target_prompt
from pixelsmile.expressions.sentence import ADVERBS, MAX_SENTENCE, Wish, read_sentence


@pytest.mark.parametrize(
    ("sentence", "wish"),
    [
        ("Make her smile", Wish("happy")),
        ("make her smile a little, please", Wish("happy", 0.5)),
        ("Give him a very angry look!", Wish("angry", 1.25)),
        ("He is slightly surprised", Wish("surprised", 0.5)),
        ("a faint smile", Wish("happy", 0.25)),
        ("the man looks SAD, extremely", Wish("sad", 1.5)),
        ("Edit the person to show a neutral expression", Wish("neutral")),
        ("smiling and happy", Wish("happy")),  # the same, twice
        ("a little girl is surprised", Wish("surprised")),  # she is little, not her surprise
        ("happy", Wish("happy")),
    ],
)
def test_plain_sentences(sentence: str, wish: Wish) -> None:
    assert read_sentence(sentence) == wish


@pytest.mark.parametrize("sentence", ["", "Put a hat on her", "mademoiselle", "unhappiness?", "7 %"])
def test_sentences_about_something_else(sentence: str) -> None:
    assert read_sentence(sentence) is None


@pytest.mark.parametrize(
    ("sentence", "advice"),
    [
        ("happy and surprised", "blend=happy=0.5,surprised=0.5 mixes them"),
        ("from neutral to sad", "expression=sad takes one"),
        ("make him less angry", "says 'less'"),
        ("don't smile", 'says "don\'t"'),
        ("she doesn’t look happy", "expression=happy"),
        ("smile " * 9_000, "at most 32,000"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(sentence: str, advice: str) -> None:
    with pytest.raises(ExpressionError, match=advice.replace("(", "\\(")) as caught:
        read_sentence(sentence)
    assert len(str(caught.value)) <= MAX_MESSAGE


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_models_own_prompts_are_read(expression: str) -> None:
    assert read_sentence(target_prompt(expression)) == Wish(expression)
    assert read_sentence(target_prompt(expression, "anime")) == Wish(expression)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        wish = read_sentence(text)
    except ExpressionError:
        return
    assert wish is None or wish.expression in SYNONYMS.values()


def test_limits() -> None:
    assert all(0 < strength <= MAX_STRENGTH for strength in ADVERBS.values())
    assert read_sentence("x" * MAX_SENTENCE) is None
