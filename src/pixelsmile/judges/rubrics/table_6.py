"""The expression scoring task of FFE-Bench in the paper's own words: PixelSmile, appendix E, table 6.

Ours (`expression_scores`) asks besides for the dominant label. This one does not: of its scores the highest
names it, and a face without one of at least NEUTRAL_BELOW is at rest.
"""

from pydantic import JsonValue

from pixelsmile.expressions import JUDGE_LABELS, NEUTRAL
from pixelsmile.judges.judge import Verdict
from pixelsmile.judges.rubrics.rubric import Rubric, read_object, require_number, require_object

NEUTRAL_BELOW = 0.25  # a trace, by the scale of our own rubric; the paper gives no such limit

# In the table's order, which is that of its answers.
_DEFINITIONS = {
    "Happiness": "Faintly smiling, cheerful, ecstatic; corners of the mouth raised or laughing.",
    "Sadness": "Somber, sorrowful, devastated; frowning with downcast eyes or tears.",
    "Anger": "Annoyed, angry, furious; furrowed brows and glaring eyes.",
    "Fear": "Wary, frightened, terrified; knitted brows and pupil constriction.",
    "Surprise": "Taken aback, amazed, stunned; eyes wide open or jaw dropped.",
    "Disgust": "Distasteful, repulsed, gagging; wrinkling the nose or raising the upper lip.",
    "Embarrassment": (
        "A shy smile, blushing cheeks, avoiding eye contact, looking down, or covering the face with hands."
    ),
    "Confidence": ("Self-assured smile, corners of the mouth raised, sharp and firm gaze, slightly smug."),
    "Confusion": "Knitted brows, looking aside or rolling the eyes, head tilted in deep thought.",
    "Drowsiness": "Heavy drooping eyelids, yawning, lethargic or low-energy look.",
    "Contempt": "Asymmetrical smirk (one corner raised), sneering, looking down on someone.",
    "Nervousness": "Visible sweat drops, tense facial muscles, uneasy or restless gaze.",
}
_DEFINED = "\n".join(f"- {label}: {words}" for label, words in _DEFINITIONS.items())

_INSTRUCTIONS = f"""\
Role and Task Definition

You are an expert AI specialized in analyzing facial expressions in both photorealistic and anime-style \
images. Your task is to analyze the input image and determine the intensity score for specific expression \
categories.

Target Emotion Definitions

Analyze the image based on the following visual definitions. Crucially, pay close attention to the \
distinctions between similar expressions (e.g., Fear vs. Surprise, Anger vs. Disgust).

{_DEFINED}

Output Format Requirements

- Return format: Output a standard JSON object.
- Keys: Use the exact emotion labels provided above.
- Values: The intensity score (a float between 0.00 and 1.00).
- Constraint: Do not explain your reasoning. Output only the JSON object. Do not include Markdown formatting \
such as ```json ... ```.

Output Example

{{
  "Happiness": 0.90,
  "Surprise": 0.75,
  "Anger": 0.05,
  ...
}}"""


def read_labels(text: str) -> Verdict:
    """A number in [0, 1] for every label and no other key."""
    labels = require_object(read_object(text), "the answer", set(JUDGE_LABELS))
    scores = {
        JUDGE_LABELS[label]: require_number(value, f"the score of {label}", 1.0)
        for label, value in labels.items()
    }
    highest = max(scores, key=lambda name: scores[name])
    return Verdict("", scores, highest if scores[highest] >= NEUTRAL_BELOW else NEUTRAL)


_SCORE: JsonValue = {"type": "number", "minimum": 0, "maximum": 1}
_SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": dict.fromkeys(_DEFINITIONS, _SCORE),
    "required": list(_DEFINITIONS),
    "additionalProperties": False,
}

TABLE_6 = Rubric("table-6-1", _INSTRUCTIONS, _SCHEMA, read_labels)
