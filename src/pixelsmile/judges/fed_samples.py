"""What the judges of FED-Bench's three judged components are shown.

    run = JudgingRun(markers.consistency, [consistency_sample("a", "a.png", "edit.png", "Make her smile.")])

Each is for the rubric of the same name (rubrics/fed_*.py), and for its embedded counterpart.
"""

from typing import TYPE_CHECKING

from pixelsmile.expressions import Domain
from pixelsmile.judges.pool import Sample
from pixelsmile.judges.question import Target

if TYPE_CHECKING:
    from pixelsmile.images import ImageSource

# Captions, as models read them. They are part of a question's hash.
SOURCE, EDIT, TRUTH = "Source", "Edit", "Reference"


def quality_sample(key: str, edit: "ImageSource", domain: Domain = "human") -> Sample:
    """PQ: the edit alone. Why the source is not beside it stands in rubrics/fed_quality.py."""
    return Sample(key, {EDIT: edit}, domain)


def consistency_sample(
    key: str,
    source: "ImageSource",
    edit: "ImageSource",
    instruction: str,
    domain: Domain = "human",
    target: Target | None = None,
) -> Sample:
    """SC: source, edit and instruction. target: what it asks for; the embedded counterpart reads no words.

    ValueError for an instruction of no words: there is nothing to be consistent with.
    """
    if not instruction.strip():
        raise ValueError(f"{key!r} has no instruction")
    return Sample(key, {SOURCE: source, EDIT: edit}, domain, instruction, target)


def truth_alignment_sample(
    key: str, truth: "ImageSource", edit: "ImageSource", domain: Domain = "human"
) -> Sample:
    """GTA: ground truth and edit."""
    return Sample(key, {TRUTH: truth, EDIT: edit}, domain)
