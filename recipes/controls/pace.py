"""Trainings of equal cost: how many CPU seconds a step of each method takes, and so how many steps it gets.

CPU seconds, and not those of the clock: a machine may have other work. A pace is measured once and kept: a
run that goes on must not change its mind about its length.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path

from pixelsmile.limits import read_json_object
from pixelsmile.store.configuration import read_configuration
from pixelsmile.store.json_lines import read_lines
from pixelsmile.store.publication import write_file
from pixelsmile.training import preset_path
from pixelsmile.training.config import TrainingConfig
from recipes.ablations.jobs import CommandCost
from recipes.controls.jobs import Setting, preset_of, training_settings

_NUM_MEASURED = 3  # steps, after one that is slower
LEAST_STEPS, MOST_STEPS = 20, 50_000
_FILE = "pace.json"


def steps_of(setting: Setting, rows: Iterable[str], *, measure: bool = True) -> dict[str, int]:
    """Optimiser steps of each row: `setting.num_steps`, or what its budget pays for.

    measure: False for those rows alone whose pace is known.
    """
    if setting.num_steps is not None:
        return dict.fromkeys(rows, setting.num_steps)
    file = setting.work / _FILE
    known = read_json_object(file) if file.is_file() else {}
    rows = [row for row in rows if measure or row in known]
    for row in rows:
        if row not in known:
            known[row] = cpu_seconds_a_step(setting, row)
            write_file(file, (json.dumps(known, indent=2) + "\n").encode(), force=True)
    return {row: min(MOST_STEPS, max(LEAST_STEPS, round(setting.budget_s / known[row]))) for row in rows}


def cpu_seconds_a_step(setting: Setting, row: str) -> float:
    """Of a step of a row's training, forward and backward, on the first triplets (cached on the way)."""
    import torch

    from pixelsmile.editing.components import quiet_libraries
    from pixelsmile.training.assembly import assemble
    from pixelsmile.training.distribution import settled, start_accelerator
    from pixelsmile.training.order import Layout, Order
    from pixelsmile.training.run_folder import RunFolder

    torch.set_num_threads(1)  # several wait for one another, and waiting counts as work
    config = read_configuration(
        preset_path(preset_of(row)), TrainingConfig, training_settings(setting, row, num_steps=20)
    )
    accelerator = start_accelerator(config.model.device)
    config = settled(config, accelerator.device)
    num_triplets = (1 + _NUM_MEASURED) * config.run.batch_size
    with quiet_libraries():
        job = assemble(config, RunFolder(setting.work / ".pace"), accelerator, limit=num_triplets)
    layout, order = Layout(config.run.batch_size), Order(job.num_triplets, seed=0)
    started = 0.0
    for step in range(1 + _NUM_MEASURED):
        if step == 1:
            started = time.process_time()
        job.module(order.draws(layout.positions(step, 0)))["total"].backward()
    return (time.process_time() - started) / _NUM_MEASURED


def seconds_taken(file: Path) -> float:
    """CPU seconds of the trainings that a job's CPU_FILE tells of."""
    costs = read_lines(file, CommandCost)
    return float(sum(cost.cpu_s for cost in costs if cost.command.startswith("train ")))
