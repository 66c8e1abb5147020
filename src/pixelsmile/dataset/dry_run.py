"""What a build will do, before it does anything: its steps, how many pictures and edits, what they cost."""

from collections.abc import Iterator
from pathlib import Path

from pixelsmile.dataset.build import num_kept
from pixelsmile.dataset.config import BuildConfig
from pixelsmile.dataset.edit_config import ComposeSettings
from pixelsmile.dataset.folder import steps_of
from pixelsmile.dataset.generate import price_words
from pixelsmile.dataset.sources import listing
from pixelsmile.dataset.step_folder import StepFolder


def outlook(folder: Path, config: BuildConfig) -> Iterator[str]:
    """A line for each step. Nothing is written, and no server is asked. InputError where a source is empty.

    What is not known before a step is done is counted at its most.
    """
    num, num_edits, most = None, 0, ""
    for step in steps_of(config):
        manifest = StepFolder(folder / step).manifest()
        if manifest is not None:
            num = num_kept(manifest)
            num_edits = (
                _num_edits(StepFolder(folder / step)) if step in ("compose", "generate") else num_edits
            )
            yield f"{step}: done, {num:,} pictures"
            continue
        if num is None:
            num = listing(config.collect)[0]
        if step == "compose" and config.compose is not None:
            num_edits, most = num * edits_of_each(config.compose), "at most "
            yield f"compose: {most}{num_edits:,} edits of {most}{num:,} bases"
            num += num_edits
        elif step == "generate" and config.generate is not None:
            price = price_words(config.generate, num_edits)
            words = f"generate: {most}{num_edits:,} edits by {config.generate.editor}"
            yield words + (f": {price}" if price else "")
        else:
            most = most if step == "collect" else "at most "
            yield f"{step}: {most}{num:,} pictures"


def edits_of_each(settings: ComposeSettings) -> int:
    """The most edits that one base can get."""
    most = []
    if (sweeps := settings.expressions) is not None:
        looks = sweeps.num_combinations or 1
        most.append((set(sweeps.bases), len(sweeps.targets) * looks * len(sweeps.strengths)))
    if (told := settings.instructions) is not None:
        targets = min(told.num_targets or len(told.targets), len(told.targets))
        most.append((set(told.bases), targets * (told.num_combinations or 1)))
    if len(most) > 1 and most[0][0].isdisjoint(most[1][0]):
        return max(number for _, number in most)
    return sum(number for _, number in most)


def _num_edits(step_folder: StepFolder) -> int:
    return sum(row.base is not None for row in step_folder.all_rows())
