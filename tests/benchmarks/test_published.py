"""The published tables: complete, typed, and never without the word published."""

import csv
from importlib import resources

import pytest

from pixelsmile.benchmarks.metrics.harmonic import harmonic_score
from pixelsmile.benchmarks.metrics.summary import METRIC_NAMES
from pixelsmile.benchmarks.published import published_table
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS, JUDGE_LABELS, confusing_partner

SIZES = {"ffe_general": 8, "ffe_linear": 7, "ffe_ablation": 7, "ffe_user_study": 3, "fed": 36}


@pytest.mark.parametrize(("name", "num_rows"), SIZES.items())
def test_tables_are_whole_and_marked(name, num_rows):
    table = published_table(name)
    assert len(table.rows) == num_rows
    assert table.label.startswith("published (")
    assert "judged by" in table.label
    assert "not comparable" in table.label
    assert len({(row.group, row.model) for row in table.rows}) == num_rows
    if name.startswith("ffe") and name != "ffe_user_study":
        assert {metric for row in table.rows for metric in row.values} <= set(METRIC_NAMES)


def test_rows():
    ours = {row.model: row for row in published_table("ffe_general").rows}["PixelSmile"]
    assert (ours.group, ours.values) == (
        "ours",
        {"mscr": 0.055, "acc_6": 0.8627, "acc_12": 0.6, "id_sim": 0.6522},
    )
    linear = {row.model: row.values for row in published_table("ffe_linear").rows}
    assert linear["SAEdit"] == {"cls_6": -0.0183, "cls_12": 0.0007}
    assert linear["ConceptSlider"] == {"cls_2": 0.3161, "id_sim": 0.625, "hes": 0.3656}
    fed = published_table("fed").rows
    assert {row.group for row in fed} == {"dense", "simple"}
    assert fed[0].values == {
        "id": 0.58, "bg": 17.5, "pq": 9.7, "sc": 8.8, "gta": 5.7, "reg": 1.18, "fed_score": 0.469,
    }  # fmt: skip


def test_published_rows_agree_with_the_formula_of_hes():
    """HES never passes twice either mean (Eq. 3), so that each row implies a mean score of 0 to 1."""
    for table in ("ffe_linear", "ffe_ablation"):
        for row in published_table(table).rows:
            if "hes" not in row.values:
                continue
            hes, identity = row.values["hes"], row.values["id_sim"]
            implied = hes * identity / (2 * identity - hes)
            assert 0 < implied < 0.5
            assert harmonic_score(implied, identity) == pytest.approx(hes)


def test_our_labels_are_those_of_the_published_scoring_prompt():
    """PixelSmile, table 6: the labels, and the two pairs that the prompt wants told apart."""
    text = (resources.files("pixelsmile.benchmarks.published") / "ffe_bench_table6_scoring.csv").read_text()
    lines = list(csv.DictReader(text.splitlines()))
    assert {line["label"]: line["expression"] for line in lines} == JUDGE_LABELS
    assert {line["expression"] for line in lines} == set(EXPRESSIONS)
    for line in lines:
        partner = confusing_partner(line["expression"])
        assert (JUDGE_LABELS[line["confusable_with"]] if line["confusable_with"] else None) == partner


def test_unknown_table():
    with pytest.raises(InputError, match="published table 'ffe' is unknown: choose from ffe_general"):
        published_table("ffe")
