"""Leaderboards: who stands on which board, who is best and how sure that is, and the files for others."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from fed_run_examples import write_fed_run
from run_examples import begin_run, judge_run, make_edits, measure_run, write_run
from test_report_page import needs_nothing

from pixelsmile.benchmarks.metrics.measure import (
    Bootstrap,
    Coverage,
    Estimate,
    difference,
    estimate,
    holm,
    mean_measure,
    p_value,
)
from pixelsmile.benchmarks.report.leaderboard import Board, leaderboard, leaderboard_lines
from pixelsmile.benchmarks.report.leaderboard_files import leaderboard_csv, leaderboard_latex, tex
from pixelsmile.benchmarks.report.leaderboard_page import leaderboard_page, overview, study_chart
from pixelsmile.benchmarks.run_folder import RunFolder, SpendingRecord
from pixelsmile.benchmarks.study.ranks import EditorRank, QuestionRanks
from pixelsmile.cli import main
from pixelsmile.errors import InputError
from pixelsmile.store.json_lines import LineWriter

QUICK = Bootstrap("percentile", num_replicates=200)  # bca says little of four samples
EVIL = 'a_b & 100% {of} <script>alert("1")</script>'


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, RunFolder]:
    """Three sweeps of which `weak` shows less, one run of single edits, two runs of FED-Bench."""
    path = tmp_path_factory.mktemp("runs")
    weak = begin_run(path / "weak", editor=EVIL)
    make_edits(weak)
    judge_run(weak, share=0.4)
    measure_run(weak)
    with LineWriter(weak.spending_file) as lines:
        lines.write(SpendingRecord(num_requests=20, num_tokens=9, dollars=Decimal("0.40")))
        lines.write(SpendingRecord(num_requests=3, num_tokens=0, dollars=Decimal("0.06")))
    fed = write_fed_run(path / "fed")
    shutil.copytree(fed.path, path / "fed-2")
    return {
        "strong": write_run(path / "strong", editor="strong"),
        "weak": weak,
        "again": write_run(path / "again", editor="again", seed=7),
        "single": write_run(path / "single", editor="strong", strengths=(1.0,)),
        "fed": fed,
        "fed-2": RunFolder(path / "fed-2"),
    }


@pytest.fixture(scope="module")
def boards(runs) -> list[Board]:
    return leaderboard(list(runs.values()), bootstrap=QUICK)


def test_runs_that_do_not_compare_are_on_boards_of_their_own(boards):
    assert [board.key for board in boards] == ["ffe_linear", "ffe_general", "fed"]
    assert [len(board.entrants) for board in boards] == [3, 1, 2]
    assert boards[0].apart == boards[2].apart == ""
    assert boards[1].apart.startswith("Not to be compared with the board above")
    assert "settings: general; strengths: 1" in boards[1].apart


def test_each_is_compared_with_the_best_of_its_column_alone(boards):
    weak, strong, again = (entrant_of(boards[0], label) for label in (EVIL, "strong", "again"))
    best = {entrant.label: entrant.standing("", "expression") for entrant in boards[0].entrants}
    assert best["strong"].place == "best"
    assert best["again"].place == "near"
    assert best["again"].p_value == 1.0  # the same numbers
    assert best[EVIL].place == "behind"
    gap = best[EVIL].difference
    assert gap.a - gap.b == pytest.approx(gap.difference.value)
    assert strong.standing("", "id_sim") is None  # neither end is best
    assert boards[0].entrants[-1] is weak  # ranked by HES
    assert again.num_made == strong.num_made


def entrant_of(board, label):
    return next(entrant for entrant in board.entrants if entrant.label == label)


def test_what_an_edit_took_is_of_the_edits_that_were_made(boards):
    weak, strong = entrant_of(boards[0], EVIL), entrant_of(boards[0], "strong")
    assert weak.cost.seconds == pytest.approx(0.1)
    assert weak.cost.dollars == pytest.approx(0.46 / weak.num_made)
    assert strong.cost.dollars is None


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_the_p_value_is_where_the_interval_reaches_0(method):
    values = [0.4, 0.1, -0.1, 0.5, 0.3, -0.2, 0.6, -0.2, 0.3, 0.2]
    found = mean_measure(array(values), array(range(10), int), 10, Coverage("edits", 10, 10))
    plan = Bootstrap(method)
    p = p_value(found, plan, plan.draw(10))
    assert 0.001 < p < 0.05
    for level, is_out in ((1 - p * 1.3, True), (1 - p / 1.3, False)):
        assert (estimate(found, replace(plan, level=level), plan.draw(10)).low > 0) is is_out
    assert p_value(difference(found, found), plan, plan.draw(10)) == 1.0


def test_nothing_that_cannot_be_tested_has_a_p_value():
    always = mean_measure(array([1.0] * 4), array(range(4), int), 4, Coverage("edits", 4, 4))
    assert p_value(always, QUICK, QUICK.draw(4)) is None


def array(values, kind=float):
    return np.array(list(values), dtype=kind)


def test_holm_steps_down_and_leaves_out_what_was_not_tested():
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_terminal_has_marks_and_published_rows_apart(boards):
    lines = leaderboard_lines(boards[0])
    row = next(line for line in lines if line.startswith("strong"))
    assert "*" in row
    published = next(
        place for place, line in enumerate(lines) if line.startswith("published: PixelSmile, table 2")
    )
    assert any(line.startswith("SliderEdit") for line in lines[published:])
    assert next(place for place, line in enumerate(lines) if line == row) < published


def test_the_csv_has_one_row_an_editor(boards):
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(boards))))
    assert [row["editor"] for row in rows] == [
        *(e.label for e in boards[0].entrants),
        "odd (fed)",
        "odd (fed-2)",
    ]
    strong = next(row for row in rows if row["editor"] == "strong")
    assert float(strong["ffe_linear_hes"]) == boards[0].entrants[0].figures[""]["hes"].estimate.value
    assert strong["ffe_general_samples"] == "4"  # the same editor has one row for both boards
    assert strong["fed_dense_fed_score"] == ""
    weak = next(row for row in rows if row["editor"] == EVIL)
    assert 0 < float(weak["ffe_linear_expression_p"]) < 0.05
    assert all(re.fullmatch(r"[a-z0-9_-]+", name) for name in rows[0])


def test_the_latex_is_balanced_and_escaped(boards):
    text = leaderboard_latex(boards)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\toprule") == 3
    assert r"a\_b \& 100\% \{of\} \textless{}script" in text
    assert re.search(r"\\textbf\{0\.\d{3}\}", text)
    for block in re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        width = len(block[0])
        rows = [
            line for line in block[1].splitlines() if line.endswith(r"\\") and r"\multicolumn" not in line
        ]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in rows} == {width}
    assert tex("50 % \\ ~^ \x1b é ≥") == r"50 \% \textbackslash{} \textasciitilde{}\textasciicircum{} ? é ?"


def test_the_page_stands_alone_and_has_the_figures(boards):
    page = leaderboard_page(boards, STUDY)
    needs_nothing(page)
    assert "<script>alert" not in page
    for words in (
        *("As figure 4 of PixelSmile", "As figure 5 of PixelSmile", "As figure 6 of PixelSmile"),
        *("As figure 7 of PixelSmile", "As figure 10 of PixelSmile"),
        *("As figure 3 of FED-Bench", "As figure 4 of FED-Bench", "As figure 5 of FED-Bench"),
    ):
        assert words in page
    numbers = json.loads(re.search(r'id="numbers">(.*?)</script>', page, re.DOTALL)[1])
    assert [board["board"] for board in numbers] == ["ffe_linear", "ffe_general", "fed"]


def test_the_table_over_all_boards_has_a_row_for_each_editor(boards):
    header, rows = overview(boards)
    assert header[0] == "Editor"
    assert "ffe linear HES" in header
    strong = next(row for row in rows if row[0] == "strong")
    assert strong[header.index("ffe linear HES")].endswith("★")
    assert strong[header.index("fed dense FED-Score")] == "–"


def ranks(question, order):
    found = tuple(EditorRank(name, Estimate(rank, rank - 0.2, rank + 0.3), 1) for name, rank in order.items())
    return QuestionRanks(question, 4, found, 0, None, None, None)


STUDY = (ranks("continuity", {"a": 1.0, "b": 2.0}), ranks("identity", {"b": 1.5, "a": 1.5}))


def test_ranks_of_people_become_scores_and_their_mean_the_size():
    first, other, published = study_chart(STUDY).series
    assert (first.points[0].across.value, first.points[0].up.value) == (5.0, 3.0)
    assert first.points[0].across.low == pytest.approx(5 - 4 * 0.3)
    assert first.points[0].size > other.points[0].size
    assert "published" in published.label
    assert len(published.points) == 3


def test_the_command_writes_what_is_asked_for(runs, tmp_path, capsys):
    folders = [str(runs[name].path) for name in ("strong", "again", "fed")]
    files = [tmp_path / name for name in ("board.html", "board.csv", "board.tex")]
    options = [
        word
        for form, file in zip(("html", "csv", "latex"), files, strict=True)
        for word in (f"--{form}", str(file))
    ]
    assert main(["bench", "leaderboard", *folders, *options]) == 0
    assert str(files[0]) in capsys.readouterr().out
    assert all(file.stat().st_size > 500 for file in files)
    assert main(["bench", "leaderboard", *folders, *options]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["bench", "leaderboard", *folders, "--json"]) == 0
    assert [board["board"] for board in json.loads(capsys.readouterr().out)["boards"]] == [
        "ffe_linear",
        "fed",
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--html", "board.png"], "ends in .html"),
        (["--csv", "board.html"], "ends in .csv"),
        (["--study", "a.csv"], "add --html"),
        (["--html", "b.html", "--study", "a.csv"], "go together"),
        (["--judge", "nobody"], "no judge 'nobody'"),
    ],
)
def test_what_does_not_fit_is_one_line(runs, words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "leaderboard", str(runs["strong"].path), *words]) == 2
    assert line in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_twice_and_a_run_without_a_judge_are_refused(runs, tmp_path):
    with pytest.raises(InputError, match="given twice"):
        leaderboard([runs["strong"], RunFolder(runs["strong"].path)])
    bare = begin_run(tmp_path / "bare")
    with pytest.raises(InputError, match="not judged yet"):
        leaderboard([bare])
