"""The leaderboard as one page: its tables, and the figures of both papers in their form."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pixelsmile.benchmarks.fed.results import FedResults
from pixelsmile.benchmarks.ffe.results import RunResults
from pixelsmile.benchmarks.metrics.measure import Estimate
from pixelsmile.benchmarks.published import published_table
from pixelsmile.benchmarks.report.cases import Point as SweepPoint
from pixelsmile.benchmarks.report.cases import all_sweeps, leading, pattern, shared_tasks
from pixelsmile.benchmarks.report.charts import Axis, Chart, Point, Series, gain_chart, trade_off_chart
from pixelsmile.benchmarks.report.dynamics import training_charts
from pixelsmile.benchmarks.report.fed import Album
from pixelsmile.benchmarks.report.leaderboard import LEGEND, MARKS, Board, Entrant
from pixelsmile.benchmarks.report.page import Pictures, render, specified
from pixelsmile.benchmarks.report.tables import UNKNOWN, Column, format_number
from pixelsmile.benchmarks.scores import ScoredEdit
from pixelsmile.benchmarks.study.page import Question
from pixelsmile.benchmarks.study.ranks import BEST_SCORE, WORST_SCORE, EditorRank, QuestionRanks
from pixelsmile.expressions import DOMAINS

SEED = 0  # of what is drawn by lot
_STAR = "★"  # on the page, of the best
_NUM_GENERAL = 4
_TARGETS = ("happy", "surprised")  # of figure 6
_NUM_FED = 3
_NUM_GAINS = 2
# The columns of the table over all boards, by the setting of a board.
_HEADLINES = {
    "general": ("mscr", "acc_6", "acc_12", "id_sim"),
    "linear": ("mscr", "acc_12", "cls_12", "id_sim", "hes"),
    "fed": ("fed_score",),
}

Shown = Mapping[str, str]  # a picture as pages have it
Task = tuple[str, str]  # source, target


@dataclass(frozen=True)
class Grid:
    """Pictures in rows under headings, each with the lines below it."""

    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[Shown, Sequence[str]]]]]


def leaderboard_page(
    boards: Sequence[Board],
    study: Sequence[QuestionRanks] = (),
    trainings: Mapping[str, Mapping[str, RunResults]] | None = None,
) -> str:
    """The page of `boards`. study: what people ranked. trainings: the validations of each, by its label."""
    records = {board.key: board.as_json() for board in boards}
    names = ("benchmark", "terms", "bootstrap", "apart")
    return render(
        "leaderboard.html",
        "Leaderboard of editors of facial expressions",
        {"numbers": list(records.values())},
        legend=LEGEND.replace(MARKS["best"], _STAR, 1),
        overview=overview(boards) if len(boards) > 1 else None,
        ffe=[(board, *_ffe_figures(board)) for board in boards if board.kind == "ffe"],
        fed=[(board, *_fed_figures(board)) for board in boards if board.kind == "fed"],
        study=study_chart(study) if study else None,
        training=training_charts(trainings) if trainings else [],
        missing=[row for board in boards for entrant in board.entrants for row in _missing(board, entrant)],
        specified=specified(records, names),
    )


def overview(boards: Sequence[Board]) -> tuple[list[str], list[list[str]]]:
    """The header, and a row for each editor with the numbers that the papers lead with, of every board."""
    asked = [
        (board, part, column)
        for board in boards
        for part in board.parts
        for column in board.columns
        if column.name in _HEADLINES[board.terms.get("settings", "fed")]
        and any(_number(entrant, part, column) != UNKNOWN for entrant in board.entrants)
    ]
    header = ["Editor"]
    rows: dict[str, list[str]] = {}
    for place, (board, part, column) in enumerate(asked):
        header.append(f"{board.key.replace('_', ' ')} {part} {column.label}".replace("  ", " "))
        for entrant in board.entrants:
            rows.setdefault(entrant.label, [UNKNOWN] * len(asked))[place] = _number(entrant, part, column)
    return header, [[label, *numbers] for label, numbers in rows.items()]


def _number(entrant: Entrant, part: str, column: Column) -> str:
    """The number with its mark."""
    figure, standing = entrant.figures[part].get(column.name), entrant.standing(part, column.name)
    if figure is None or figure.estimate.value is None:
        return UNKNOWN
    mark = "" if standing is None else MARKS[standing.place].strip().replace(MARKS["best"], f" {_STAR}")
    return format_number(figure.estimate.value, column.digits) + mark


def study_chart(study: Sequence[QuestionRanks]) -> Chart:
    """Identity against continuity as people ranked them (PixelSmile, figure 10), marks as large as their HES.

    The published means come as a series of their own: others ranked them, of other pictures.
    """
    by: dict[Question, dict[str, EditorRank]] = {
        ranks.question: {found.editor: found for found in ranks.editors} for ranks in study
    }
    num = len(next(iter(by.values())))
    series = [
        Series(name, [_ranked(name, by["continuity"][name], by["identity"][name], num)])
        for name in by["continuity"]
        if by["continuity"][name].rank.value is not None and by["identity"][name].rank.value is not None
    ]
    published = published_table("ffe_user_study")
    means = [
        _human_point(
            row.model, _exactly(row.values["continuity"]), _exactly(row.values["identity"]), row.model
        )
        for row in published.rows
    ]
    ticks = [float(tick) for tick in range(int(WORST_SCORE), int(BEST_SCORE) + 1)]
    return Chart(
        "Identity against continuity, as people ranked them; the larger a mark, the higher the mean of both",
        Axis("continuity (5 is best)", ticks),
        Axis("identity (5 is best)", ticks),
        [*series, Series(f"published: {published.source}, {published.judge}; other pictures", means)],
    )


def _ranked(name: str, continuity: EditorRank, identity: EditorRank, num: int) -> Point:
    return _human_point(name, _as_score(continuity.rank, num), _as_score(identity.rank, num))


def _human_point(name: str, across: Estimate, up: Estimate, beside: str = "") -> Point:
    both = (across.value or 0.0, up.value or 0.0)
    harmonic = 2 * both[0] * both[1] / sum(both)
    words = f"{name}: continuity {both[0]:.2f}, identity {both[1]:.2f}, HES of people {harmonic:.2f}"
    return Point(across, up, words, beside, size=0.6 + 1.6 * harmonic / BEST_SCORE)


def _as_score(rank: Estimate, num: int) -> Estimate:
    """A mean rank of `num` editors as a score from 5, always first, to 1."""
    step = (BEST_SCORE - WORST_SCORE) / (num - 1)
    value, low, high = (
        None if found is None else BEST_SCORE - step * (found - 1)
        for found in (rank.value, rank.high, rank.low)
    )
    return Estimate(value, low, high)


def _exactly(value: float) -> Estimate:
    return Estimate(value, None, None)


# FFE-Bench: figures 4 to 7.


def _ffe_figures(board: Board) -> tuple[Chart | None, list[Grid]]:
    """The trade-off, and the pictures side by side."""
    runs = {e.label: e.run for e in board.entrants if isinstance(e.run, RunResults)}
    strengths = next(iter(runs.values())).spec.strengths
    sides = {label: _Side(run) for label, run in runs.items()}
    tasks = [task for task in next(iter(sides.values())).points if _all_made(task, sides)]
    random.Random(SEED).shuffle(tasks)
    full = max((s for s in strengths if 0 < s <= 1), default=max(strengths))
    grids = [_general_grid(sides, tasks, full)] if tasks else []
    if len(strengths) < 3:
        return None, grids
    chart = trade_off_chart({label: run.summary.trade_off for label, run in runs.items()})
    grids += [_sweep_grid(sides, task) for task in _linear_tasks(tasks)]
    if (drift := _identity_task(sides, tasks)) is not None:
        grids.append(_drift_grid(sides, drift))
    return chart, grids


class _Side:
    """One editor's sweeps, by task, and its pictures."""

    def __init__(self, run: RunResults) -> None:
        self._pictures = Pictures(run.folder)
        self.points = {(sweep.source, sweep.target): sweep.points for sweep in all_sweeps(run)}

    def source(self, task: Task) -> tuple[Shown, list[str]]:
        return self._pictures.source(task[0], f"{task[0]}, the source"), ["source"]

    def at(self, task: Task, strength: float) -> SweepPoint:
        return next(point for point in self.points[task] if point.edit.strength == strength)

    def shown(self, point: SweepPoint, first: str) -> tuple[Shown, list[str]]:
        edit = point.edit
        words = f"{edit.sample}, {edit.target} at strength {edit.strength:g}"
        found = edit.verdict.unscored or f"{edit.target} {format_number(point.score, 2)}"
        if (seen := leading(edit, 1)) and seen[0][0] != edit.target and seen[0][1] > 0:
            found += f", {seen[0][0]} {seen[0][1]:.2f}"
        lines = [first, found, f"ID {format_number(point.identity, 2)}"]
        return self._pictures.edit(edit.key, words, edit.unmade), [line for line in lines if line]


def _all_made(task: Task, sides: Mapping[str, _Side]) -> bool:
    return all(
        task in side.points and all(point.edit.file is not None for point in side.points[task])
        for side in sides.values()
    )


def _general_grid(sides: Mapping[str, _Side], tasks: Sequence[Task], strength: float) -> Grid:
    """Figure 5: a row a task, a column an editor. The two domains by turns."""
    first = next(iter(sides.values()))
    by_domain = [
        [task for task in tasks if first.points[task][0].edit.task.domain == domain] for domain in DOMAINS
    ]
    turns = [some[place] for place in range(len(tasks)) for some in by_domain if place < len(some)]
    rows = [
        (
            f"{task[0]} → {task[1]}",
            [first.source(task), *(side.shown(side.at(task, strength), "") for side in sides.values())],
        )
        for task in turns[:_NUM_GENERAL]
    ]
    caption = (
        f"As figure 5 of PixelSmile: the same tasks at strength {strength:g}, drawn by lot (seed {SEED})."
    )
    return Grid("Editors side by side", caption, ["Source", *sides], rows)


def _linear_tasks(tasks: Sequence[Task]) -> list[Task]:
    """One for each expression of the paper's figure, or of others where the benchmark lacks them."""
    found: dict[str, Task] = {}
    for task in sorted(tasks, key=lambda task: task[1] not in _TARGETS):
        found.setdefault(task[1], task)
    return list(found.values())[: len(_TARGETS)]


def _sweep_grid(sides: Mapping[str, _Side], task: Task) -> Grid:
    """Figure 6: a row an editor, a column a strength."""
    return Grid(
        f"Sweeps: {task[1]}",
        f"As figure 6 of PixelSmile: {task[0]} towards {task[1]}, by strength; drawn by lot (seed {SEED}).",
        ["Source", *(f"{point.edit.strength:g}" for point in next(iter(sides.values())).points[task])],
        [
            (label, [side.source(task), *(side.shown(point, "") for point in side.points[task])])
            for label, side in sides.items()
        ],
    )


def _identity_task(sides: Mapping[str, _Side], tasks: Sequence[Task]) -> Task | None:
    """Where the editors differ most in what is left of the person at the largest strength."""
    apart: list[tuple[float, Task]] = []
    for task in tasks:
        found = [side.points[task][-1].identity for side in sides.values()]
        known = [identity for identity in found if identity is not None]
        if known:
            apart.append((max(known) - min(known), task))
    return max(apart)[1] if apart else None


def _drift_grid(sides: Mapping[str, _Side], task: Task) -> Grid:
    """Figure 7: what large strengths leave of the person, a row an editor."""
    points = next(iter(sides.values())).points[task]
    strong = [
        place for place, point in enumerate(points) if point.edit.strength >= points[-1].edit.strength / 2
    ]
    return Grid(
        "Identity at large strengths",
        f"As figure 7 of PixelSmile: {task[0]} towards {task[1]}, the task on which the editors differ most "
        "in what is left of the person at the largest strength.",
        ["Source", *(f"{points[place].edit.strength:g}" for place in strong)],
        [
            (label, [side.source(task), *(side.shown(side.points[task][place], "") for place in strong)])
            for label, side in sides.items()
        ],
    )


# FED-Bench: figures 3 to 5.


def _fed_figures(
    board: Board,
) -> tuple[Chart, list[Grid], list[Album], list[tuple[str, tuple[ScoredEdit, ...]]]]:
    """REG against the score, the pictures side by side, and two tasks with all their components."""
    runs = {e.label: e.run for e in board.entrants if isinstance(e.run, FedResults)}
    albums = [Album(label, run) for label, run in runs.items()]
    tasks = shared_tasks(runs, SEED, num=_NUM_FED)
    far = [task for why, task in tasks if why.startswith("scores")]
    by_lot = [task for why, task in tasks if not why.startswith("scores")]
    grids = [_fed_grid(albums, by_lot or far)] if tasks else []
    grids += [_gain_grid(albums, task) for task in _gain_tasks(runs)]
    return gain_chart(runs), grids, albums, [(why, task) for why, task in tasks if task in far][:2]


def _fed_grid(albums: Sequence[Album], tasks: Sequence[tuple[ScoredEdit, ...]]) -> Grid:
    """Figure 3: a row a task: source, ground truth, and each editor's."""
    rows = [
        (
            f"{task[0].sample} → {task[0].target}, {task[0].granularity}",
            [
                (albums[0].source(task[0]), ["source"]),
                (albums[0].truth(task[0]), ["ground truth"]),
                *(
                    (album.edit(each), [f"FED-Score {format_number(each.score('fed_score').value)}"])
                    for album, each in zip(albums, task, strict=True)
                ),
            ],
        )
        for task in tasks
    ]
    caption = f"As figure 3 of FED-Bench: the same tasks, drawn by lot (seed {SEED})."
    return Grid("Editors side by side", caption, ["Source", "Ground truth", *(a.label for a in albums)], rows)


def _gain_tasks(runs: Mapping[str, FedResults]) -> list[tuple[ScoredEdit, ...]]:
    """Those on which the editors' REG lie furthest apart, each triplet once."""
    by_task = [{edit.key: edit for edit in run.edits} for run in runs.values()]
    found: list[tuple[float, tuple[ScoredEdit, ...]]] = []
    for key in by_task[0]:
        task = tuple(edits[key] for edits in by_task if key in edits and edits[key].file is not None)
        gains = [gain for edit in task if (gain := edit.score("gain").value) is not None]
        if len(task) == len(by_task) and gains:
            found.append((max(gains) - min(gains), task))
    chosen: dict[str, tuple[ScoredEdit, ...]] = {}
    for _, task in sorted(found, key=lambda pair: -pair[0]):
        chosen.setdefault(task[0].sample, task)
    return list(chosen.values())[:_NUM_GAINS]


def _gain_grid(albums: Sequence[Album], task: Sequence[ScoredEdit]) -> Grid:
    """Figure 5: the edits of one task from lazy to overfit."""
    known = [
        (gain, album, e)
        for album, e in zip(albums, task, strict=True)
        if (gain := e.score("gain").value) is not None
    ]
    known.sort(key=lambda each: each[0])
    shown: list[tuple[Shown, Sequence[str]]] = [
        (albums[0].source(task[0]), ["source"]),
        (albums[0].truth(task[0]), ["ground truth", "REG 1"]),
        *(
            (album.edit(edit), [album.label, f"REG {gain:.2f}, {pattern(gain)}"])
            for gain, album, edit in known
        ),
    ]
    return Grid(
        "From lazy to overfit",
        f"As figure 5 of FED-Bench: {task[0].sample} → {task[0].target}, “{task[0].task.prompt}”, "
        "by rising REG.",
        ["Source", "Ground truth", *(album.label for _, album, _ in known)],
        [("", shown)],
    )


def _missing(board: Board, entrant: Entrant) -> Iterator[tuple[str, str, str, int]]:
    """The board, the editor, why edits were not made, and how many."""
    reasons: dict[str, int] = {}
    for edit in entrant.run.edits:
        if edit.unmade is not None:
            reasons[edit.unmade] = reasons.get(edit.unmade, 0) + 1
    yield from ((board.key, entrant.label, reason, count) for reason, count in reasons.items())
