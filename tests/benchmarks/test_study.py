"""The user study: a blind page, its key, and what raters' answers come to."""

import csv
import io
import json
import random
import re
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_examples import SOURCES, UNMADE, write_run
from test_report_page import Seen

from pixelsmile.benchmarks.metrics.measure import Bootstrap
from pixelsmile.benchmarks.study.page import (
    QUESTIONS,
    StudyKey,
    StudyTask,
    common_strengths,
    draw_pairs,
    make_study,
    read_key,
    shared_pairs,
)
from pixelsmile.benchmarks.study.ranks import COLUMNS, crossed_means, kendall_w, rank_editors, read_answers
from pixelsmile.errors import InputError

EDITORS = ("truth", "copy", "noise")
QUICK = Bootstrap(method="percentile", num_replicates=200)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {f"the {name} editor": write_run(folder / name, editor=name) for name in ("truth", "copy")}


@pytest.fixture(scope="module")
def study(runs):
    return make_study(runs, num_tasks=5, seed=3, codes=random.Random(0))


def page_data(study):
    return json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', study.page)[1])


def test_the_page_does_not_say_whose_sweep_is_whose(runs, study):
    for task in study.key.tasks.values():
        assert task.source not in study.page
    for label in runs:
        assert label not in study.page
    for word in ("truth", "copy", "seed"):
        assert word not in json.dumps({**page_data(study), "tasks": None})
    orders = {
        tuple(study.key.tasks[task["task"]].sweeps[sweep["code"]] for sweep in task["sweeps"])
        for task in page_data(study)["tasks"]
    }
    assert len(orders) == 2  # the codes' order does not follow the editors'


def test_the_page_shows_what_the_key_says(runs, study):
    data = page_data(study)
    assert data["study"] == study.key.study
    assert data["questions"] == list(QUESTIONS)
    assert {task["task"] for task in data["tasks"]} == set(study.key.tasks)
    for task in data["tasks"]:
        known = study.key.tasks[task["task"]]
        assert task["expression"] == known.target
        assert {sweep["code"] for sweep in task["sweeps"]} == set(known.sweeps)
        assert all(len(sweep["pictures"]) == 3 for sweep in task["sweeps"])
        assert (known.source, known.target) != UNMADE[:2]  # its sweep is not whole
    codes = [code for task in study.key.tasks.values() for code in task.sweeps]
    assert len(set(codes)) == len(codes)
    assert study.num_pictures == 5 * (1 + 2 * 3)


def test_the_page_loads_nothing(study):
    for name, attributes in Seen(study.page).tags:
        assert name not in ("link", "iframe")
        assert attributes.get("src") is None
    assert re.search(r"https?://", study.page) is None


def test_the_seed_draws_tasks_and_other_codes_hide_them(runs, study):
    again = make_study(runs, num_tasks=5, seed=3, codes=random.Random(9))
    pairs = {(task.source, task.target) for task in study.key.tasks.values()}
    assert {(task.source, task.target) for task in again.key.tasks.values()} == pairs
    assert not set(again.key.tasks) & set(study.key.tasks)


def test_the_key_comes_back_and_a_damaged_one_is_refused(study, tmp_path):
    path = tmp_path / "study.key.json"
    path.write_bytes(study.key.to_json())
    assert read_key(path) == study.key
    record = json.loads(study.key.to_json())
    next(iter(record["tasks"].values()))["sweeps"].popitem()
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="one sweep of each editor"):
        read_key(path)
    with pytest.raises(InputError, match="there is no file"):
        read_key(tmp_path / "none.json")


def test_runs_that_make_no_study(runs, tmp_path):
    one = next(iter(runs.values()))
    with pytest.raises(InputError, match="a ranking of 1 editors"):
        make_study({"a": one}, num_tasks=1, seed=0, codes=random.Random(0))
    few = write_run(tmp_path / "few", strengths=(0.0, 1.0))
    with pytest.raises(InputError, match="share 2 strengths"):
        common_strengths([one, few])
    other = write_run(tmp_path / "other")
    for source in SOURCES:
        other.source_file(source).write_bytes(b"another picture")
    with pytest.raises(InputError, match="share no task"):
        shared_pairs([one, other], (0.0, 0.5, 1.0))


@given(
    st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from(("happy", "sad", "fear"))), min_size=1),
    st.integers(1, 20),
    st.integers(0, 5),
)
def test_drawn_tasks_are_different_and_as_even_as_they_can_be(pairs, num, seed):
    pairs = sorted(pairs)
    drawn = draw_pairs(pairs, num, random.Random(seed))
    assert len(drawn) == len(set(drawn)) == min(num, len(pairs))
    assert set(drawn) <= set(pairs)
    counts, available = Counter(t for _, t in drawn), Counter(t for _, t in pairs)
    fullest = max(counts.values())
    assert all(counts[target] >= min(fullest - 1, available[target]) for target in available)


def example_key(num_tasks=4, editors=EDITORS):
    return StudyKey(
        study="s1",
        seed=0,
        strengths=(0.0, 0.5, 1.0),
        editors={name: {"name": name} for name in editors},
        tasks={
            f"t{i}": StudyTask(
                source=f"face-{i}", target="happy", sweeps={f"t{i}-{name}": name for name in editors}
            )
            for i in range(num_tasks)
        },
    )


def write_answers(path, rater, ranks, key, **changes):
    """A page's CSV: `ranks` is {(task, question): {editor: rank}}."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for (task, question), by_editor in ranks.items():
        for editor, rank in by_editor.items():
            line = {"study": key.study, "rater": rater, "task": task, "question": question}
            line |= {"code": f"{task}-{editor}", "rank": rank} | changes
            writer.writerow([line[column] for column in COLUMNS])
    path.write_text(text.getvalue(), newline="")
    return path


def ranking(*editors):
    return {editor: rank for rank, editor in enumerate(editors, 1)}


def test_answers_are_counted_complete_incomplete_and_missing(tmp_path):
    key = example_key()
    ranks = {
        ("t0", "continuity"): ranking("truth", "copy", "noise"),
        ("t1", "continuity"): {"truth": 1, "copy": 2},
        ("t0", "identity"): ranking("copy", "truth", "noise"),
    }
    answers = read_answers([write_answers(tmp_path / "a.csv", "anna", ranks, key)], key)
    assert answers.raters == ("anna",)
    assert answers.complete[("anna", "t0", "identity")] == {"copy": 1, "truth": 2, "noise": 3}
    assert (len(answers.complete), answers.num_incomplete, answers.num_missing) == (2, 1, 5)


@settings(deadline=None)  # it writes a file
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1), st.permutations(EDITORS))
def test_any_rater_and_ranking_comes_back(tmp_path_factory, rater, order):
    key = example_key()
    path = tmp_path_factory.mktemp("answers") / "a.csv"
    write_answers(path, rater, {("t0", "identity"): ranking(*order)}, key)
    answers = read_answers([path], key)
    assert answers.complete == {(rater, "t0", "identity"): ranking(*order)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "s2"}, "study 's2' is not the key's"),
        ({"task": "t9"}, "no sweep 't0-truth' in task 't9'"),
        ({"code": "other"}, "no sweep 'other'"),
        ({"rank": 4}, "rank 4 of 3 sweeps"),
        ({"rank": 0}, r"line 2: rank"),
        ({"rank": "first"}, r"line 2: rank"),
        ({"rank": 1}, "comes twice"),
        ({"question": "beauty"}, r"line 2: question"),
    ],
)
def test_answers_that_cannot_be_are_refused(tmp_path, changes, message):
    key = example_key()
    ranks = {("t0", "identity"): ranking(*EDITORS)}
    path = write_answers(tmp_path / "a.csv", "anna", ranks, key, **changes)
    with pytest.raises(InputError, match=message) as refused:
        read_answers([path], key)
    assert "\n" not in str(refused.value)


def test_files_that_are_no_answers_are_refused(tmp_path):
    key = example_key()
    ranks = {("t0", "identity"): ranking(*EDITORS)}
    one = write_answers(tmp_path / "a.csv", "anna", ranks, key)
    two = write_answers(tmp_path / "b.csv", "anna", ranks, key)
    with pytest.raises(InputError, match=r"rater 'anna' is in .*a.csv"):
        read_answers([one, two], key)
    with pytest.raises(InputError, match="there is no file"):
        read_answers([tmp_path / "none.csv"], key)
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="lacks the columns"):
        read_answers([tmp_path / "c.csv"], key)
    (tmp_path / "d.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(InputError, match="has no answers"):
        read_answers([tmp_path / "d.csv"], key)
    (tmp_path / "e.csv").write_text(",".join(COLUMNS) + "\ns1,anna\n")
    with pytest.raises(InputError, match="line 2"):
        read_answers([tmp_path / "e.csv"], key)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("x" * 200_000, "is no CSV .field larger than"),
        ('"' + "x" * 200_000, "is no CSV"),
        (",".join(COLUMNS) + "\n" + 's,r,t,identity,c,"' + "0" * 200_000 + '1"', "is no CSV .field larger"),
        (",".join(COLUMNS) + "\ns,r,t,identity,c," + "9" * 5000, "rank is '999"),
        (",".join(COLUMNS) + "\ns,r,t,identity,c,1,1,1", "unknown key|not valid"),
        (",".join(COLUMNS) + "\ns,r\0,t,identity,c,1", "is no CSV|study 's' is not"),
        (",".join((*COLUMNS, "rank")) + "\ns,r,t,identity,c,1,2", "lacks the columns"),
        (",".join(COLUMNS) + '\ns,"r', "is no CSV .unexpected end"),
        ("\r\n\r", "lacks the columns"),
    ],
)
def test_tables_that_are_none_are_refused_in_one_line(tmp_path, rows, said):
    (tmp_path / "a.csv").write_text(rows, newline="")
    with pytest.raises(InputError, match=said):
        read_answers([tmp_path / "a.csv"], example_key())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=80) | st.text('",\r\n\0ab1', max_size=80), st.binary(max_size=8))
def test_any_table_is_answers_or_one_line(tmp_path, text, ending):
    path = tmp_path / "a.csv"
    path.write_bytes(",".join(COLUMNS).encode() + b"\ns," + text.encode() + ending)
    with suppress(InputError):  # anything else fails the test
        read_answers([path], example_key())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_key_is_a_key_or_one_line(tmp_path, data):
    record = within = json.loads(example_key().to_json())
    while isinstance(within, dict) and data.draw(st.booleans()):
        place = data.draw(st.sampled_from(sorted(within)))
        other = st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.just([[]]) | st.just({})
        if data.draw(st.booleans()):
            within[place] = data.draw(other)
        within = within[place] or None
    (tmp_path / "key.json").write_text(json.dumps(record))
    with suppress(InputError):  # anything else fails the test
        read_key(tmp_path / "key.json")


def test_kendall_w_by_hand():
    assert kendall_w(np.array([[1.0, 2, 3], [1, 2, 3]])) == 1
    assert kendall_w(np.array([[1.0, 2, 3], [3, 2, 1]])) == 0
    # Sums 4, 6, 8: S = 4 + 0 + 4 = 8, W = 12 * 8 / (9 * 24).
    assert kendall_w(np.array([[1.0, 2, 3], [1, 3, 2], [2, 1, 3]])) == pytest.approx(96 / 216)


def answers_of(tmp_path, key, orders):
    """Raters who rank every task by both questions: {rater: order}, or {rater: {task: order}}."""
    paths = []
    for rater, order in orders.items():
        by_task = order if isinstance(order, dict) else dict.fromkeys(key.tasks, order)
        ranks = {(task, q): ranking(*names) for task, names in by_task.items() for q in QUESTIONS}
        paths.append(write_answers(tmp_path / f"{rater}.csv", rater, ranks, key))
    return read_answers(paths, key)


def test_mean_ranks_by_hand(tmp_path):
    key = example_key()
    orders = {"anna": EDITORS, "ben": EDITORS, "cleo": ("copy", "truth", "noise")}
    continuity, identity = rank_editors(answers_of(tmp_path, key, orders), key, QUICK)
    assert [found.editor for found in continuity.editors] == ["truth", "copy", "noise"]
    truth, copy, noise = continuity.editors
    assert truth.rank.value == pytest.approx(4 / 3)
    assert truth.score(3) == pytest.approx(5 - 4 * (1 / 3) / 2)
    assert (truth.num_first, copy.num_first, noise.num_first) == (8, 4, 0)
    assert truth.rank.low <= truth.rank.value <= truth.rank.high
    assert noise.rank.value == 3
    assert noise.rank.low is None  # every replicate is 3
    # In each task the sums are 4, 5, 9: S = 4 + 1 + 9 = 14, W = 12 * 14 / (9 * 24); chance is 1 / 3.
    assert continuity.kendall_w == pytest.approx(168 / 216)
    assert continuity.kendall_w_chance == pytest.approx(1 / 3)
    assert continuity.num_answers == 12
    assert identity.as_json()["editors"] == continuity.as_json()["editors"]
    json.dumps(continuity.as_json(), allow_nan=False)


def test_scores_of_all_editors_add_up_as_the_paper_s_do(tmp_path):
    key = example_key()
    orders = {"anna": EDITORS, "ben": ("noise", "truth", "copy")}
    (found, _) = rank_editors(answers_of(tmp_path, key, orders), key, QUICK)
    assert sum(editor.score(3) for editor in found.editors) == pytest.approx(9)


def test_one_rater_has_no_agreement(tmp_path):
    key = example_key()
    by_task = {f"t{i}": EDITORS if i % 2 else EDITORS[::-1] for i in range(4)}
    (found, _) = rank_editors(answers_of(tmp_path, key, {"anna": by_task}), key, QUICK)
    assert (found.kendall_w, found.kendall_w_chance, found.alpha, found.num_shared_tasks) == (
        None,
        None,
        None,
        0,
    )
    assert found.editors[0].rank.low is not None  # sources are drawn still


def test_no_complete_answer(tmp_path):
    key = example_key()
    ranks = {("t0", "continuity"): {"truth": 1}}
    answers = read_answers([write_answers(tmp_path / "a.csv", "anna", ranks, key)], key)
    (found, _) = rank_editors(answers, key, QUICK)
    assert [editor.rank.value for editor in found.editors] == [None] * 3
    assert found.editors[0].score(3) is None


def ordinal_alpha(table_JU):
    """Krippendorff's ordinal alpha, straight from its definition (2011, steps B and C)."""
    units = [column[np.isfinite(column)] for column in table_JU.T]
    units = [unit for unit in units if len(unit) >= 2]
    values = np.unique(np.concatenate(units))
    place = {value: index for index, value in enumerate(values)}
    coincidence = np.zeros((len(values), len(values)))
    for unit in units:
        for i, a in enumerate(unit):
            for j, b in enumerate(unit):
                if i != j:
                    coincidence[place[a], place[b]] += 1 / (len(unit) - 1)
    n = coincidence.sum(axis=0)
    gap = np.array(
        [
            [(n[min(c, k) : max(c, k) + 1].sum() - (n[c] + n[k]) / 2) ** 2 for k in range(len(n))]
            for c in range(len(n))
        ]
    )
    expected = (np.outer(n, n) * gap).sum() / (n.sum() - 1)
    return 1 - (coincidence * gap).sum() / expected


def test_alpha_is_the_ordinal_one(tmp_path):
    rng = random.Random(4)
    key = example_key(num_tasks=6)
    orders = {
        rater: {task: rng.sample(EDITORS, 3) for task in list(key.tasks)[: 6 - i]}
        for i, rater in enumerate(("anna", "ben", "cleo", "dora"))
    }
    answers = answers_of(tmp_path, key, orders)
    (found, _) = rank_editors(answers, key, QUICK)
    table = np.full((4, 6 * 3), np.nan)
    for (rater, task, question), ranks in answers.complete.items():
        if question == "continuity":
            start = 3 * list(key.tasks).index(task)
            table[answers.raters.index(rater), start : start + 3] = [ranks[editor] for editor in EDITORS]
    assert found.alpha == pytest.approx(ordinal_alpha(table))


def test_raters_and_sources_are_both_drawn():
    """Two raters who differ and a task of one source: only raters can be drawn, each 0, 1 or 2 times."""
    ranks_JTE = np.array([[[1.0, 2.0]], [[2.0, 1.0]]])
    drawn = crossed_means(ranks_JTE, ["a"], num_replicates=400, seed=0)
    assert set(np.round(drawn[:, 0], 6)) == {1.0, 1.5, 2.0}
    assert (drawn.sum(axis=1) == 3).all()
    # Two tasks of the same source are drawn together: as one rater says the same of both, nothing varies.
    assert np.ptp(crossed_means(np.array([[[1.0, 2], [2, 1]]]), ["a", "a"], 100, 0)) == 0
    assert np.ptp(crossed_means(np.array([[[1.0, 2], [2, 1]]]), ["a", "b"], 100, 0)[:, 0]) == 1
