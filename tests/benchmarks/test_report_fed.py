"""The page of FED-Bench: every number with what it rests on, tasks side by side, and nothing from outside."""

import json
import re
from dataclasses import replace

import pytest
from fed_examples import FACELESS, NASTY, NO_FACE, fed_results
from test_report_page import Seen, needs_nothing

from pixelsmile.benchmarks.metrics.fed_score import SCORE, load_normalisation
from pixelsmile.benchmarks.published import published_table
from pixelsmile.benchmarks.report.cases import (
    examples,
    pattern,
    pattern_counts,
    ranked_tasks,
    shared_tasks,
)
from pixelsmile.benchmarks.report.charts import LARGEST_GAIN, gain_chart
from pixelsmile.benchmarks.report.fed import fed_lines, fed_page
from pixelsmile.benchmarks.report.remarks import fed_remarks
from pixelsmile.benchmarks.report.tables import FED_COLUMNS, WARNING, goodness


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {name: fed_results(folder / name, name) for name in ("truth", "copy", "2x")}


@pytest.fixture(scope="module")
def page(runs):
    return fed_page(runs)


def test_the_page_needs_nothing_and_runs_nothing(page):
    needs_nothing(page)
    assert NASTY in Seen(page).text  # what a judge said, as words


def test_the_same_runs_give_the_same_page_with_all_numbers_in_it(runs, page):
    assert fed_page(runs) == page
    text = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', page)[1]
    assert json.loads(text) == {label: json.loads(json.dumps(run.as_json())) for label, run in runs.items()}


def test_each_granularity_has_its_numbers_with_intervals(runs, page):
    for run in runs.values():
        for figures in run.summary.by_granularity.values():
            score = figures["fed_score"].estimate
            assert f">{score.value:.3f}<" in page
            assert f">{score.low:.3f} – {score.high:.3f}<" in page
        for number in FED_COLUMNS:
            value = run.summary.overall[number.name].estimate.value
            assert value is None or f">{value:.3f}<" in page or number.digits < 3
    assert "1 out" in page


def test_a_scorer_of_ones_own_stands_in_the_table_and_on_the_page(runs, page):
    figure = runs["2x"].summary.overall["fed_score"]
    mine = {"copy": replace(runs["copy"], further={"mine/<cosine>": figure})}
    value, interval = f"{figure.estimate.value:.3f}", f"{figure.estimate.low:.3f}..{figure.estimate.high:.3f}"
    (line,) = [line for line in fed_lines(mine) if line.startswith("mine/<cosine> ")]
    assert line.split()[1:3] == [value, interval]
    assert "Other scorers" not in page
    assert f"<td>mine/&lt;cosine&gt;</td><td>{value}</td><td>{interval}</td>" in fed_page(mine)


def test_published_rows_stand_dense_beside_simple_and_are_marked(page):
    text = Seen(page).text
    table = published_table("fed")
    assert f"Published · {table.source} · judged by {table.judge}" in text
    assert text.count(WARNING) == 1
    # Its first row: both halves of Qwen-Image-Edit-Plus.
    row = re.search(r"<tr><th scope=\"row\">Qwen-Image-Edit-Plus</th>(.*?)</tr>", page)[1]
    cells = re.findall(r"<td>(.*?)</td>", row)
    assert cells == [
        *("0.58", "17.5", "9.7", "8.8", "5.7", "1.18", "0.469"),
        *("0.63", "16.8", "9.8", "8.8", "5.8", "1.13", "0.492"),
    ]
    assert all(row.model in text for row in table.rows)


def test_what_is_reconstructed_says_so_with_its_constants(page):
    text = Seen(page).text
    assert "Reconstructed." in text
    assert "Gain = exp(−(REG − 1)² / (2 · 0.7²))" in text
    assert "1 − BG / 100" in text
    assert load_normalisation().source in text


def test_what_is_missing_is_said_with_its_reason(runs, page):
    text = Seen(page).text
    assert NO_FACE in text
    scored = runs["truth"].edits[FACELESS]
    assert f"{scored.sample} → {scored.target}, {scored.granularity}: {NO_FACE}" in text
    unmade = [each for each in runs["2x"].edits if each.file is None]
    assert unmade  # there is nothing beyond a neutral face
    assert "asks for a neutral face" in text


def test_tasks_of_all_runs_stand_side_by_side(runs, page):
    found = shared_tasks(runs, seed=0)
    samples = [task[0].sample for _, task in found]
    assert len(set(samples)) == len(samples)
    assert [why for why, _ in found] == 2 * ["scores furthest apart"] + 2 * ["drawn by lot"]
    for _, task in found:
        assert len({(each.task.source, each.task.target) for each in task}) == 1
        assert all(each.file is not None for each in task)
    assert shared_tasks(runs, seed=0) == found
    spread = [max(scores) - min(scores) for scores in _scores(found) if None not in scores]
    assert spread[0] == max(spread)
    strip = re.search(r'<figure class="sweep">.*?</figure>', page, re.DOTALL)[0]
    assert strip.count("<img ") == 2 + len(runs)
    assert strip.count("<meter ") == 6 * len(runs)
    assert all(f"<b>{label}</b>" in strip for label in runs)


def _scores(found):
    return [[each.score(SCORE).value for each in task] for _, task in found]


def test_one_run_shows_its_best_and_its_worst(runs):
    found = ranked_tasks(runs["truth"])
    scores = [task[0].score(SCORE).value for _, task in found]
    assert [why for why, _ in found] == ["best", "median", "worst"]
    assert scores == sorted(scores, reverse=True)
    assert "worst" in Seen(fed_page({"truth": runs["truth"]})).text


@pytest.mark.parametrize(
    ("gain", "kind"),
    [(0.0, "lazy"), (0.49, "lazy"), (0.5, "near"), (1.0, "near"), (1.5, "near"), (1.51, "overfit")],
)
def test_patterns(gain, kind):
    assert pattern(gain) == kind


def test_lazy_and_overfit_edits_are_counted_and_shown(runs, page):
    assert pattern_counts(runs["copy"]) == {"lazy": 10, "near": 0, "overfit": 0}
    num_made = sum(each.file is not None for each in runs["2x"].edits)
    assert pattern_counts(runs["2x"]) == {"lazy": 0, "near": 0, "overfit": num_made}
    assert examples(runs["truth"], "lazy", 3) == []
    laziest = examples(runs["copy"], "lazy", 3)
    assert len({each.sample for each in laziest}) == 3
    assert laziest[0].score("gain").value == 0.0
    text = Seen(page).text
    assert "lazy, REG 0.00" in text
    assert "overfit, REG 2." in text


def test_the_chart_puts_dots_where_their_numbers_are(runs):
    chart = gain_chart({"copy": runs["copy"]})
    wide = next(chart.frames())
    scored = [each for each in runs["copy"].edits if each.score(SCORE).value is not None]
    places = [(wide.x(gain), wide.y(score)) for gain, score in chart.series[0].cloud]
    dots = "".join(f"M{x},{y}h0" for x, y in places)
    assert f'<path d="{dots}" class="cloud c0">' in fed_page({"copy": runs["copy"]})
    for (x, y), each in zip(places, scored, strict=True):
        assert x == pytest.approx(54 + 786 * each.score("gain").value / LARGEST_GAIN, abs=0.06)
        assert y == pytest.approx(14 + 372 * (1 - each.score(SCORE).value), abs=0.06)


def test_full_bars_are_best():
    constants = load_normalisation()
    assert goodness("identity", 0.7, constants) == 0.7
    assert goodness("identity", -0.2, constants) == 0
    assert goodness("background", 25.0, constants) == 0.75
    assert goodness("quality", 4.0, constants) == 0.4
    assert goodness("gain", 1.0, constants) == 1
    assert goodness("gain", 0.3, constants) == pytest.approx(goodness("gain", 1.7, constants))


def test_runs_that_do_not_compare_are_said_to(runs):
    assert fed_remarks(runs) == []
    mixed = {**runs, "copy": replace(runs["copy"], judge_id="example:other", identity_encoders=("adaface",))}
    assert [sentence.split(" (")[0] for sentence in fed_remarks(mixed)] == [
        "The runs have different judges, so their numbers do not compare directly",
        "The runs have different measures of identity, so their numbers do not compare directly",
    ]


def test_a_run_of_one_granularity_leaves_the_other_half_empty(runs):
    dense = runs["truth"].summary.by_granularity["dense"]
    one = replace(runs["truth"], summary=replace(runs["truth"].summary, by_granularity={"dense": dense}))
    page = fed_page({"truth": one})
    assert page.count('<td><span class="value">–</span></td>') == 7
