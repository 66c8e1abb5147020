"""Distributions of a whole annotated set, worked out by hand."""

from pixelsmile.cli.dataset import annotation_lines
from pixelsmile.dataset.rows import Row
from pixelsmile.dataset.stats import annotation_statistics
from pixelsmile.expressions import EXPRESSIONS


def row(number: int, expression: str | None = None, scores: dict[str, float] | None = None, **fields) -> Row:
    if scores is not None:
        fields["scores"] = tuple(scores.get(name, 0.0) for name in EXPRESSIONS)
        fields["dominant"] = max(scores, key=scores.get) if scores else "neutral"
    fields = {"domain": "human", "judge": "me", "doubts": ()} | fields
    return Row(id=f"{number:016x}", source="s", key="k", expression=expression, **fields)


def test_by_label_and_reason():
    rows = [
        row(1, "neutral", {"happy": 0.1} | {}, strength=1, confidence=0.9),
        row(2, "happy", {"happy": 0.4}, strength=0.5, confidence=0.5),
        row(3, "happy", {"sad": 0.8, "happy": 0.2}, strength=1, doubts=("other expression",), confidence=0.1),
        row(4, "happy", None, no_verdict="unsuited: no (2.9; 1: 2); empty: x: y", doubts=("no verdict",)),
        row(5, None, {}, domain="anime", judge="you"),
    ]
    found = annotation_statistics(rows)
    human = found["human"]
    assert human["labels"]["happy"] == {"pictures": 3, "judged": 2, "asked": 0.75, "score": 0.3, "same": 0.5}
    assert human["labels"]["neutral"]["asked"] is None
    assert human["labels"]["neutral"]["score"] == 0.1
    assert human["no_verdict"] == {"unsuited; empty": 1}
    assert human["doubts"] == {"other expression": 1, "no verdict": 1}
    assert (human["pictures"], human["doubted"], human["judges"]) == (4, 2, {"me": 4})
    assert human["confidence"][1] == 0.5
    assert found["anime"]["labels"] == human["statistics"] == human["panel"] == {}
    lines = list(annotation_lines(human))
    assert lines[:3] == [
        "judged by me (4)",
        "2 of 4 doubted: 1 other expression, 1 no verdict",
        "no verdict: 1 unsuited; empty",
    ]
    assert lines[-1].split() == ["happy", "3", "2", "0.75", "0.30", "0.50"]


def test_statistics_and_people_who_are_not_one():
    def seen(number: int, person: str, **fields: str) -> Row:
        return row(number, person=person, statistician="s", **fields)

    rows = [
        seen(1, "a", gender="male", age_group="teen"),
        seen(2, "a", gender="male", age_group="young_adult", skin_tone="light"),
        seen(3, "b", gender="male"),
        seen(4, "b", gender="female"),
        seen(5, "c", age_group="child", skin_tone="light"),
        seen(6, "c", age_group="teen", skin_tone="unknown"),
        seen(7, "c", age_group="young_adult"),
        row(8, person="a", statistician="s", no_statistics="refused: no"),
    ]
    found = annotation_statistics(rows)["human"]
    assert found["statistics"]["gender"] == {"male": 3, "female": 1}
    assert found["no_statistics"] == {"refused": 1}
    assert (found["people_with_several"], found["people_that_differ"]) == (3, 2)
    assert list(annotation_lines(found))[-1].startswith("2 of 3 people are not of one gender")


def test_a_panel():
    one, two = [0.0] * 12, [0.0] * 12
    rows = []
    for number, (a, b) in enumerate(((0.9, 0.9), (0.1, 0.1), (0.5, 0.5), (0.3, None))):
        one[6], two[6] = a, b
        rows.append(row(number, panel_scores=(*one, *two)))
    panel = annotation_statistics(rows)["human"]["panel"]
    assert panel["happy"]["value"] == 1
    assert panel["happy"]["num_units"] == 3
    assert panel["sad"]["value"] is None
    assert panel["all"]["num_units"] == 3 + 4 * 11
