"""Instructions for edits: simple ones name the expression, dense ones say what moves, and how far.

A dense instruction mentions every action unit of what is wanted above LEAST_MENTIONED, by region of the face.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pixelsmile.expressions import NEUTRAL, Domain
from pixelsmile.portraits.action_units import HEAD, ActionUnits

LEAST_MENTIONED = 0.1
_SLIGHT_BELOW, _CLEAR_FROM, _STRONG_FROM = 0.3, 0.5, 0.75

_SUBJECTS: dict[Domain, str] = {"human": "person", "anime": "character"}
_LOOKS = {"fear": "afraid", "disgust": "disgusted"}  # where the adjective is not the name
_FEELINGS = {"happy": "happiness", "sad": "sadness", "angry": "anger", "surprised": "surprise"}  # likewise
_DEGREES = ((0.7, "restrained but clear"), (0.85, "pronounced"), (float("inf"), "full"))  # below a strength
_KEEP = "Keep the identity, the pose, the hair, the clothes, the lighting and the background as they are."
_KEEP_BUT_HEAD = _KEEP.replace("the pose", "the shoulders")
_AT_REST = (
    "Let the whole face rest: brows level, eyes open and looking ahead, mouth closed with level corners."
)


class Movement(NamedTuple):
    """What a unit does, with `{}` for how far: nothing for a middling movement, words for the others."""

    words: str
    strong: str
    slight: str = " a little"
    clear: str = " clearly"

    def phrase(self, intensity: float) -> str:
        """In the imperative, at an intensity above 0."""
        if intensity >= _STRONG_FROM:
            return self.words.format(self.strong)
        if intensity >= _CLEAR_FROM:
            return self.words.format(self.clear)
        return self.words.format(self.slight if intensity < _SLIGHT_BELOW else "")


# By region; of a signed unit the movement with + is the positive one. Left and right are the viewer's.
MOVEMENTS: dict[str, dict[str, Movement]] = {
    "brows": {
        "inner_brow_raise": Movement("raise the inner ends of the brows{}", " high"),
        "outer_brow_raise": Movement("raise the outer ends of the brows{}", " high"),
        "brow_lower": Movement("lower the brows{} and draw them together", " hard"),
        "brow_tilt+": Movement("lift the right brow{} and lower the left one", " high"),
        "brow_tilt-": Movement("lift the left brow{} and lower the right one", " high"),
    },
    "eyes": {
        "upper_lid_raise": Movement("raise the upper eyelids{} so that the eyes widen", " high"),
        "lid_tighten": Movement("tighten the eyelids{}", " hard"),
        "eyes_closed": Movement("lower the upper eyelids{}", " until the eyes are almost shut"),
        "gaze_x+": Movement("turn the gaze{} to the right", " far"),
        "gaze_x-": Movement("turn the gaze{} to the left", " far"),
        "gaze_y+": Movement("lower the gaze{}", " far"),
        "gaze_y-": Movement("raise the gaze{}", " far"),
    },
    "cheeks": {
        "cheek_raise": Movement("lift the cheeks{} so that they push up the lower eyelids", " high"),
        "nose_wrinkle": Movement("wrinkle the nose{}", " hard"),
        "blush": Movement("redden the cheeks{}", " deeply"),
        "sweat": Movement("put{} drops of sweat on the temple", " large", " a few small", " many"),
    },
    "mouth": {
        "lip_corner_pull": Movement("pull the corners of the mouth up{} into a smile", " wide", " slightly"),
        "smirk+": Movement("pull the right corner of the mouth up{}", " hard"),
        "smirk-": Movement("pull the left corner of the mouth up{}", " hard"),
        "dimple": Movement("dimple the cheeks{} beside the mouth", " deeply"),
        "lip_corner_depress": Movement("pull the corners of the mouth down{}", " far"),
        "upper_lip_raise": Movement("raise the upper lip{}", " high"),
        "lower_lip_depress": Movement("pull the lower lip down{} to bare the lower teeth", " far"),
        "lip_pucker": Movement("pucker the lips{}", " tightly"),
        "lip_stretch": Movement("stretch the mouth{} sideways", " wide"),
        "lip_press": Movement("press the lips together{}", " hard"),
        "lips_part": Movement("part the lips{}", " wide"),
    },
    "jaw": {
        "jaw_drop": Movement("drop the jaw{}", " so that the mouth opens wide"),
        "chin_raise": Movement("push up the chin{} with the lower lip", " hard"),
    },
    "head": {
        "head_turn+": Movement("turn the head{} to the right", " far"),
        "head_turn-": Movement("turn the head{} to the left", " far"),
        "head_nod+": Movement("bow the head{}", " low"),
        "head_nod-": Movement("raise the head{}", " high"),
        "head_tilt+": Movement("tilt the head{} to the right", " far"),
        "head_tilt-": Movement("tilt the head{} to the left", " far"),
    },
}


def simple_instruction(expression: str, domain: Domain) -> str:
    """`Make the person look happy.`; `character` takes the place of `person` for anime."""
    return f"Make the {_SUBJECTS[domain]} look {_LOOKS.get(expression, expression)}."


def dense_instruction(shown: str, wanted: str, units: ActionUnits, strength: float) -> str:
    """What to let go of, what to do instead, how strongly, and what to leave alone.

    shown, wanted: expressions, or neutral. units: of the wanted one as strongly as it is to show. strength:
    of it, for the words.
    """
    sentences = []
    if shown != NEUTRAL:
        sentences.append(f"Let go of the expression of {_feeling(shown)}.")
    if wanted == NEUTRAL:
        return " ".join((*sentences, _AT_REST, _KEEP))
    sentences += [_sentence(movements) for movements in movement_phrases(units)]
    degree = next(word for below, word in _DEGREES if strength < below)
    sentences.append(f"The result is a {degree} expression of {_feeling(wanted)}.")
    moves_head = any(getattr(units, name) for name in HEAD)
    return " ".join((*sentences, _KEEP_BUT_HEAD if moves_head else _KEEP))


def movement_phrases(units: ActionUnits) -> list[list[str]]:
    """The movements above LEAST_MENTIONED in words, region by region; regions at rest are left out."""
    by_region = (
        [
            movement.phrase(intensity)
            for name, movement in movements.items()
            if (intensity := _intensity(units, name)) > LEAST_MENTIONED
        ]
        for movements in MOVEMENTS.values()
    )
    return [phrases for phrases in by_region if phrases]


def _intensity(units: ActionUnits, name: str) -> float:
    value: float = getattr(units, name.rstrip("+-"))
    return -value if name.endswith("-") else value


def _feeling(expression: str) -> str:
    return _FEELINGS.get(expression, expression)


def _sentence(phrases: Sequence[str]) -> str:
    text = _listed(phrases)
    return f"{text[:1].upper()}{text[1:]}."


def _listed(phrases: Iterable[str]) -> str:
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last
