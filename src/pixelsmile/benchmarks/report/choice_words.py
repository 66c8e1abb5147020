"""What each choice of the metrics means, in words: the paper is silent on all of them."""

from dataclasses import fields

from pixelsmile.benchmarks.metrics import MetricChoices
from pixelsmile.benchmarks.report.cells import plain_table
from pixelsmile.benchmarks.report.html import Html, tag

MEANINGS = {
    "confusing_pairs": "the pairs that mSCR is the mean over; the paper names these two",
    "dominant": "what an edit shows: the highest of the scores, or what the judge names",
    "ties": "equal highest scores: split evenly, unscored, for the target, or for the other",
    "neutral_at_most": "a highest score up to this shows a neutral face",
    "confusion_strengths": "strengths that enter mSCR and the confusion matrix",
    "accuracy_strengths": "strengths that enter Acc-6 and Acc-12",
    "expression_strengths": "strengths that enter S_E",
    "identity_strengths": "strengths that enter ID Sim",
    "harmonic_strengths": "strengths that enter HES",
    "identity_encoders": "encoders that S_ID is the mean of; none named: all that measured",
    "partial_identity": "an encoder found nothing: the edit is unscored, or has the mean of the others",
    "missing_faces": "no face in the edit: unscored, or similarity zero",
    "harmonic": "HES of the two means, or the mean of each sweep's or each edit's",
    "negative_identity": "a similarity below zero: HES is zero, or undefined",
    "linearity": "CLS as the mean of each sweep's correlation, or one over all points pooled",
    "max_strength": "the largest strength of CLS; none: all that there are",
    "num_points": "how many evenly spaced strengths CLS takes; none: all that there are",
    "min_points": "scored points that a sweep needs at least",
    "incomplete_sweeps": "a sweep with points missing: used from min_points on, or unscored",
    "constant_sweeps": "a sweep whose scores are all equal: undefined and counted, or zero",
}


def choices_table(choices: MetricChoices) -> Html:
    """Every choice with its value; those that are not the default stand out."""
    default, record = MetricChoices().as_json(), choices.as_json()
    rows = []
    for field in fields(choices):
        value = _words(record[field.name])
        changed = record[field.name] != default[field.name]
        shown = tag("strong", value, f" (default {_words(default[field.name])})") if changed else value
        rows.append(
            tag("tr", tag("th", field.name, scope="row"), tag("td", shown), tag("td", MEANINGS[field.name]))
        )
    return plain_table(("Choice", "Value", "Meaning"), rows)


def _words(value: object) -> str:
    match value:
        case None:
            return "none"
        case [*parts]:
            return ", ".join("–".join(part) if isinstance(part, list) else str(part) for part in parts)
        case float():
            return f"{value:g}"
        case _:
            return str(value)
