"""The expression scoring task of FFE-Bench, in our own words.

The task, its twelve labels and what distinguishes them follow PixelSmile, table 6 (one prompt for
photographs and anime). Added: the anchors of the scale, the demand to judge what is seen, and the dominant
label. The words are part of every verdict's identity: to change one, add a version and leave this as it is.
"""

from pydantic import JsonValue

from pixelsmile.expressions import JUDGE_LABELS, NEUTRAL, TAXONOMY
from pixelsmile.judges.judge import Verdict
from pixelsmile.judges.rubrics.rubric import (
    Rubric,
    read_object,
    require_number,
    require_object,
)
from pixelsmile.limits import shown
from pixelsmile.remote import UnusableReplyError

NEUTRAL_LABEL = "Neutral"


def read_scores(text: str) -> Verdict:
    """A number in [0, 1] for every label, and the dominant one: 80 is not 0.8, and "anger" is not a label."""
    record = require_object(read_object(text), "the answer", {"scores", "dominant"})
    labels = require_object(record["scores"], "scores", set(JUDGE_LABELS))
    by_name = {
        JUDGE_LABELS[label]: require_number(value, f"the score of {label}", 1.0)
        for label, value in labels.items()
    }
    return Verdict("", by_name, _dominant(record["dominant"]))


def _dominant(value: JsonValue) -> str:
    if value == NEUTRAL_LABEL:
        return NEUTRAL
    if not isinstance(value, str) or value not in JUDGE_LABELS:
        raise UnusableReplyError(f"the dominant expression is no label, but {shown(value)}")
    return JUDGE_LABELS[value]


_SIGNS: dict[str, str] = {
    "angry": (
        "brows drawn down and together, a hard stare, lips pressed tight or bared teeth; from "
        "irritation to rage"
    ),
    "confused": (
        "brows knitted or at different heights, a searching or sideways look, a tilted head; the face "
        "of someone who cannot make sense of something"
    ),
    "contempt": "one corner of the mouth tightened or raised, a sneer, a look from above; scorn for somebody",
    "confident": "a steady, direct gaze with a composed or slightly smug smile; self-assurance without scorn",
    "disgust": (
        "a wrinkled nose, a raised upper lip, narrowed eyes, perhaps a tongue pushed out; from "
        "distaste to gagging"
    ),
    "fear": (
        "brows raised and pulled together, tense wide eyes, lips stretched back; from wariness to terror"
    ),
    "happy": (
        "corners of the mouth raised, cheeks lifted, creases at the eyes; from a faint smile to laughter"
    ),
    "sad": (
        "inner ends of the brows raised, corners of the mouth pulled down, a lowered gaze, perhaps "
        "tears; from gloom to despair"
    ),
    "shy": (
        "an embarrassed or shy face: blushing, an averted or lowered gaze, a restrained smile, hands "
        "before the face"
    ),
    "sleepy": "heavy, drooping or closing eyelids, a slack face, a yawn; a lack of energy",
    "surprised": (
        "brows raised high without being pulled together, wide eyes, a dropped jaw; from being taken "
        "aback to astonishment"
    ),
    "anxious": (
        "a tense, uneasy face: restless eyes, a bitten or pressed lip, drops of sweat; worry about "
        "what may come"
    ),
}

_LABELS = "\n".join(f"- {expression.judge_label}: {_SIGNS[expression.name]}." for expression in TAXONOMY)

_INSTRUCTIONS = f"""\
You rate facial expressions. The picture is a photograph or a drawing in anime style; treat both alike, \
and read the conventions of anime (lines for a blush, drops of sweat, stylised eyes) as the signs that \
they stand for.

Rate the face of the main person for each of these twelve labels:
{_LABELS}

How to rate:
- Each score says how strongly the face shows that expression: 0.00 not at all, 0.25 a trace, 0.50 \
clearly, 0.75 strongly, 1.00 as strongly as a face can. Use two decimals and the whole range.
- Rate each label on its own. The scores need not add up to anything; a calm face has low scores \
throughout.
- Rate what is visible in the face, not what the scene suggests or what the person might feel.
- Take care with neighbours. Fear pulls the raised brows together and tenses the mouth; surprise lifts \
them apart and lets the jaw drop. Anger stares and presses the lips; disgust wrinkles the nose and lifts \
the upper lip. Contempt is one-sided; confidence is not.
- Then name the dominant label: the one that describes the face best, or {NEUTRAL_LABEL} if the face is at \
rest.

Answer with one JSON object and nothing else, no explanation and no Markdown: the key "scores" holds an \
object with all twelve labels, spelled as above, and their scores as numbers; the key "dominant" holds the \
dominant label."""


def _answer_schema() -> dict[str, JsonValue]:
    """The JSON schema of an answer. Scores come before the dominant label: models write in this order."""
    labels: list[JsonValue] = [expression.judge_label for expression in TAXONOMY]
    score: JsonValue = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "properties": {
            "scores": {
                "type": "object",
                "properties": {str(label): score for label in labels},
                "required": labels,
                "additionalProperties": False,
            },
            "dominant": {"type": "string", "enum": [*labels, NEUTRAL_LABEL]},
        },
        "required": ["scores", "dominant"],
        "additionalProperties": False,
    }


EXPRESSION_SCORES = Rubric("expression-scores-1", _INSTRUCTIONS, _answer_schema(), read_scores)
