"""The page and the terminal's tables: every number with what it rests on, and nothing from outside."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from run_examples import (
    REFUSED,
    UNMADE,
    begin_run,
    example_identity,
    judge_run,
    make_edits,
    measure_run,
    scores_file,
    verdict_record,
    write_run,
)
from test_report_page import Seen, needs_nothing

from pixelsmile.benchmarks.ffe.results import PANEL, load_results
from pixelsmile.benchmarks.metrics.choices import MetricChoices
from pixelsmile.benchmarks.metrics.harmonic import TradeOffPoint
from pixelsmile.benchmarks.metrics.measure import Bootstrap, Coverage, Estimate
from pixelsmile.benchmarks.metrics.summary import METRICS
from pixelsmile.benchmarks.published import published_table
from pixelsmile.benchmarks.report.charts import trade_off_chart
from pixelsmile.benchmarks.report.ffe import MEANINGS, PUBLISHED, by_strength, ffe_lines, ffe_page
from pixelsmile.benchmarks.report.page import Pictures
from pixelsmile.benchmarks.report.remarks import ffe_remarks, run_labels
from pixelsmile.benchmarks.report.tables import FFE_COLUMNS, WARNING, format_number
from pixelsmile.benchmarks.run_folder import RunFolder
from pixelsmile.benchmarks.scorers.judged import judge_stem
from pixelsmile.errors import InputError
from pixelsmile.expressions import EXPRESSIONS
from pixelsmile.judges import Verdict
from pixelsmile.store.json_lines import LineWriter

QUICK = Bootstrap(num_replicates=100)
NASTY = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_results(write_run(tmp_path_factory.mktemp("runs") / "run"), bootstrap=QUICK)


@pytest.fixture(scope="module")
def page(results):
    return ffe_page({"ours": results})


def test_what_rounds_to_nothing_has_no_sign():
    assert [format_number(value) for value in (-0.0002, 0.0, -0.0006, None)] == [
        "0.000",
        "0.000",
        "-0.001",
        "–",
    ]


def test_a_scale_has_all_that_a_number_can_be():
    columns = {column.name: column for column in FFE_COLUMNS}
    assert [columns["cls_12"].place(value) for value in (-1, 1)] == [0, 100]
    assert [columns["evenness"].place(value) for value in (-0.5, 1)] == [0, 100]
    assert [columns["moving_share"].place(value) for value in (0, 1, 1.25)] == [0, 80, 100]


def test_the_page_needs_nothing_and_runs_nothing(page):
    needs_nothing(page)


def test_the_same_run_gives_the_same_page(results, page):
    assert ffe_page({"ours": results}) == page


def test_the_numbers_lie_in_the_page_as_json(results, page):
    text = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', page)[1]
    assert json.loads(text) == {"ours": json.loads(json.dumps(results.as_json()))}


def test_each_number_has_its_interval_and_what_it_rests_on(results, page):
    for metric in METRICS:
        figure = results.summary.metrics[metric.name]
        found = figure.estimate
        if found.value is not None:
            assert f">{found.value:.3f}<" in page
        if found.low is not None:
            assert f"{found.low:.3f} – {found.high:.3f}" in page
        if found.note is not None:
            assert f"<li>{found.note}</li>" in page
        assert f">n {figure.coverage.num_scored}" in page
    assert "1 out" in page  # the refused edit


def test_published_numbers_are_marked_and_complete(page):
    seen = Seen(page).text
    for name in PUBLISHED:
        table = published_table(name)
        assert f"Published · {table.source} · judged by {table.judge}" in seen
        assert all(row.model in seen for row in table.rows)
    assert seen.count(WARNING) == len(PUBLISHED)


def test_what_is_missing_is_said_with_its_reason(page):
    text = Seen(page).text
    assert "the editor made none: the process ended with code 1" in text
    source, target, strength = REFUSED
    assert f"{source} → {target} at {strength:g}: the judge refused. a face that it will not judge" in text
    assert "no face found" in text


def test_a_sweep_with_a_picture_missing_says_why_in_its_place(results):
    runs = {"ours": results, "theirs": results}
    strips = re.findall(r'<figure class="sweep">.*?</figure>', ffe_page(runs), re.DOTALL)
    strip = next(strip for strip in strips if f"{UNMADE[0]} → {UNMADE[1]}" in strip)
    assert '<div class="no-picture">the editor made none: the process ended with code 1</div>' in strip
    assert strip.count("<img ") == 1 + 2  # the source, and the edits that were made


def test_every_choice_is_explained():
    assert set(MEANINGS) == set(MetricChoices.model_fields)


def test_choices_that_are_not_the_default_stand_out(results):
    again = load_results(results.folder, choices=MetricChoices(ties="unscored"), bootstrap=QUICK)
    assert "<strong>unscored (default split)</strong>" in ffe_page({"ours": again})


def test_nothing_from_a_file_becomes_markup(tmp_path):
    folder = begin_run(tmp_path / "run", editor=NASTY)
    make_edits(folder)
    judge_run(folder)
    measure_run(folder)
    identity = example_identity("drawing")
    key = ("human-0", "happy", 1.0)
    scores = {name: float(name == "sad") for name in EXPRESSIONS}
    with LineWriter(scores_file(folder, judge_stem(identity.id))) as lines:
        lines.write(verdict_record(folder.edits()[key], Verdict(identity.id, scores, "sad", (NASTY,))))
    results = load_results(folder, bootstrap=QUICK)
    page = ffe_page(dict(zip(run_labels([folder]), [results], strict=True)))
    seen = Seen(page)
    assert {tag for tag, attributes in seen.tags if "onerror" in attributes} == set()
    assert sum(tag == "script" for tag, _ in seen.tags) == 1
    assert seen.text.count(NASTY) >= 3  # the title, the leaderboard, the judge's answer
    assert "asked for happy, seen as sad" in seen.text
    assert "\x1b" not in "\n".join(ffe_lines({"\x1b[31mred": results}))


def test_two_runs_in_one_chart_and_side_by_side(results, tmp_path):
    other = write_run(tmp_path / "other", editor="copy")
    runs = {"ours": results, "theirs": load_results(other, bootstrap=QUICK)}
    page = ffe_page(runs)
    assert "The same tasks, drawn by lot" in page
    assert page.count('class="curve c1"') == 3  # the legend, and the drawings for wide and slim pages
    assert ffe_remarks(runs) == []
    mixed = ffe_remarks({**runs, "odd": replace(runs["theirs"], judge_id="example:other")})
    assert len(mixed) == 1
    assert mixed[0].startswith("The runs have different judges")
    assert "odd: example:other" in mixed[0]


def test_what_sets_a_run_apart_from_the_papers_is_listed(results):
    """Of a run that was asked for the paper's settings, and of no other."""
    as_asked = {
        **{"name": "ours", "paper": True, "model": "Qwen/Qwen-Image-Edit-2511", "dtype": "bfloat16"},
        **{"adapters": [{"source": "PixelSmile/PixelSmile"}], "one_seed": 42},
        **{"steps": 50, "size": 512, "region": "whole", "shift": None, "quantization": None},
    }

    def remarks(**changes):
        spec = results.spec.model_copy(update={"editor": {**as_asked, **changes}})
        return ffe_remarks({"ours": replace(results, spec=spec)})

    least = remarks()
    assert all(line.startswith("ours was asked for the paper's settings: ") for line in least)
    words = " ".join(least)
    for told in ("is a preview", "the judge is ", "the strengths are 0, 0.5, 1, and", "about 1024 x 1024"):
        assert told in words
    assert "identity" not in words
    changes = {"steps": 4, "one_seed": 7, "dtype": "float32", "quantization": "4bit", "adapters": []}
    added = set(remarks(**changes, model="embedded", guidance=4.0)) - set(least)
    for told in (
        "steps is 4, not 50",
        "one_seed is 7, not 42",
        "float32",
        "in 4bit",
        "no adapter",
        "embedded, not",
    ):
        assert any(told in line for line in added), told
    assert remarks(paper=False) == []


def test_one_strength_no_identity_and_a_panel(tmp_path):
    folder = begin_run(tmp_path / "run", strengths=(1.0,))
    make_edits(folder)
    judge_run(folder)
    judge_run(folder, "half", share=0.5)
    results = load_results(folder, PANEL, bootstrap=QUICK)
    text = Seen(ffe_page({"ours": results})).text
    assert "2 judges on" in text
    assert "identity not measured" in text
    assert "undefined on these samples" in text  # CLS of one strength


def test_the_chart_puts_points_where_their_numbers_are(results, page):
    wide = re.search(r'<svg viewBox="0 0 860 470".*?</svg>', page, re.DOTALL)[0]
    points = [tuple(map(float, pair.split(","))) for pair in re.search(r'points="([^"]+)"', wide)[1].split()]
    known = [point for point in results.summary.trade_off if point.expression.value is not None]
    assert len(points) == len(known) == 3
    for (x, y), point in zip(points, known, strict=True):
        assert x == pytest.approx(54 + 786 * point.expression.value, abs=0.06)
        assert y == pytest.approx(14 + 412 * (1 - point.identity.value) / (1 - 0.4), abs=0.06)


def test_a_chart_of_nothing_is_empty_axes():
    chart = trade_off_chart({"none": ()})
    assert chart.series[0].points == []
    assert [tuple(axis.ticks) for axis in (chart.across, chart.up)] == [
        (0, 0.2, 0.4, 0.6, 0.8, 1),
        (0.4, 0.6, 0.8, 1),
    ]


def test_a_chart_of_drawn_people_shows_the_end_where_their_identities_are():
    def curve(*identities):
        found = [Estimate(one, None, None) for one in identities]
        return [TradeOffPoint(place, one, one, Coverage("edits", 9, 9)) for place, one in enumerate(found)]

    chart = trade_off_chart({"drawn": curve(0.99, 0.962)})
    assert (chart.up.ticks[0], chart.up.ticks[-1]) == pytest.approx((0.96, 1.0))
    assert not chart.bands
    chart = trade_off_chart({"drawn": curve(0.99, 0.962), "photographs": curve(0.9, 0.55)})
    assert tuple(chart.up.ticks) == pytest.approx((0.4, 0.6, 0.8, 1))
    assert [band.name for band in chart.bands] == ["natural range (paper, 5.2)"]


def test_the_terminal_shows_values_intervals_and_published_rows(results):
    lines = ffe_lines({"ours": results})
    found = results.summary.metrics["hes"]
    row = next(line for line in lines if line.startswith("HES"))
    assert f"{found.estimate.value:.3f}" in row
    assert f"{found.estimate.low:.3f}..{found.estimate.high:.3f}" in row
    assert f"{found.coverage.num_scored} edits" in row
    assert sum(WARNING in line for line in lines) == len(PUBLISHED)
    assert max(map(len, lines)) <= 120


def test_a_run_that_was_stopped_lacks_pictures(results, tmp_path):
    begun = begin_run(tmp_path / "begun")
    source = begun.spec().tasks[0].source
    begun.source_file(source).unlink(missing_ok=True)
    assert Pictures(begun).source(source) == {"missing": "no source: not begun yet"}


def test_labels_tell_runs_apart(tmp_path):
    a, b = begin_run(tmp_path / "a"), begin_run(tmp_path / "b")
    c = begin_run(tmp_path / "deep" / "a", editor="copy")
    assert run_labels([a, c]) == ("truth", "copy")
    assert run_labels([a, b]) == ("truth (a)", "truth (b)")
    with pytest.raises(InputError, match="given twice"):
        run_labels([a, RunFolder(tmp_path / "b" / ".." / "a")])


def test_a_date_is_all_that_tells_when(results):
    later = replace(
        results, spec=results.spec.model_copy(update={"created": datetime(2027, 2, 3, tzinfo=UTC)})
    )
    assert "2027-02-03" in ffe_page({"ours": later})


def test_what_only_drawn_benchmarks_tell_is_shown_by_strength(results, page):
    assert not by_strength({"ours": results})
    assert "PSNR, dB by strength" not in page
    figure = results.summary.metrics["expression"]
    measured = replace(results, further_by_strength={"truth/psnr_db": {0.5: figure, 1.0: figure}})
    (table,) = by_strength({"ours": results, "theirs": measured})
    assert [column.label for column in table.columns] == ["0.5", "1"]
    assert [row.label for row in table.groups[0]] == ["ours", "theirs"]
    assert table.groups[0][0].halves == [{}]  # where it was not measured it is absent
    assert "PSNR, dB by strength" in ffe_page({"theirs": measured})
    assert measured.as_json()["scores_by_strength"]["truth/psnr_db"]["1"] == figure.as_json()
    assert "scores_by_strength" not in results.as_json()
