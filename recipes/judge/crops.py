"""The crops that the judge is trained on, drawn once and kept on disk, with the truth of each.

Whom a picture shows, and with which face, is settled by its number alone.
Shape suffixes: N crops, S side in pixels, 3 channels (RGB), E expressions.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage
from PIL import Image

from pixelsmile.editing.autoencoder import decode_latents, encode_images
from pixelsmile.editing.editor import Editor
from pixelsmile.editing.requests import Request
from pixelsmile.expressions import DOMAINS, EXPRESSIONS
from pixelsmile.faces.alignment import inverse, similarity
from pixelsmile.judges.embedded.judge import NUM_FIXED, TEMPLATE_3, face_crop
from pixelsmile.portraits import (
    NUM_VARIANTS,
    ActionUnits,
    action_units,
    draw_portrait,
    render,
    sample_identity,
)
from recipes.judge.plan import JudgedFacePlan, PicturePlan, Plan
from recipes.pictures import (
    TrainingPictures,
    drawn_file,
    file_by,
    fill_drawn,
    fill_one,
    fill_reconstructed,
    reconstructed_file,
    to_pixels,
    to_tensor,
)
from recipes.random_faces import Sample, blended, one_expression, two_expressions
from recipes.work_folder import require_same_plan

_LATENT_PX = 8  # what one latent covers
_SAMPLES, _EDITS = 0, 4  # streams of random numbers


def sample_of(plan: Plan, index: int) -> Sample:
    """Picture `index`; the drawn ones come first, then those that are reconstructed."""
    pictures, rng = plan.pictures, np.random.default_rng((plan.seed, _SAMPLES, index))
    domain = DOMAINS[rng.integers(len(DOMAINS))]
    units = sample_units(plan.faces, rng)
    size_px, fade = int(rng.choice(pictures.sizes_px)), 1.0
    if index >= pictures.num_drawn:
        size_px = pictures.editor_px
        fade = float(rng.random()) if rng.random() < pictures.faded_share else 1.0
    return Sample(pictures.first_training_seed + index, domain, units, size_px, fade)


def sample_units(plan: JudgedFacePlan, rng: np.random.Generator) -> ActionUnits:
    """A face by chance, as the plan wants them."""
    kind, strength = rng.random(), float(rng.uniform(0, plan.max_strength))
    if kind < plan.neutral_share:
        return ActionUnits()
    if kind < plan.neutral_share + plan.blend_share:
        return _blend(two_expressions(plan, rng), strength, rng)
    name = one_expression(plan, rng)
    if kind < plan.neutral_share + plan.blend_share + plan.mixed_share:
        return _blend((name, name), strength, rng)
    return action_units(name, strength, int(rng.integers(NUM_VARIANTS)))


def _blend(names: tuple[str, str], strength: float, rng: np.random.Generator) -> ActionUnits:
    """Two expressions, each in some variant."""
    share = float(rng.random())
    one, other = rng.integers(NUM_VARIANTS, size=2).tolist()
    return blended(names, strength, share, (one, other))


@dataclass(frozen=True)
class DrawCrop:
    """Draws a crop, in whatever process."""

    plan: Plan

    def __call__(self, index: int) -> np.ndarray:
        """The crop (S, S, 3), uint8."""
        sample = sample_of(self.plan, index)
        portrait = draw_portrait(
            sample_identity(sample.identity_seed), sample.units, sample.domain, sample.size_px
        )
        return face_crop(
            portrait.image,
            portrait.truth.landmarks_5,
            self.plan.network.crop_px,
            self.plan.pictures.margin_px,
        )


def draw_all(plan: Plan, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw every crop into `folder`, unless it is there. Yields how many are done."""
    size = {"seed": plan.seed, "crop_px": plan.network.crop_px}
    require_same_plan(folder, {**size, **asdict(plan.pictures), **asdict(plan.faces)})
    shape = (plan.pictures.num_drawn, *_shape(plan))
    yield from fill_drawn(folder, shape, DrawCrop(plan), num_workers)


def reconstruct_some(
    plan: Plan, autoencoder: Path, folder: Path, device: torch.device
) -> Iterator[dict[str, int]]:
    """Draw the other pictures and pass them through the editor's autoencoder, unless this one did it before.

    autoencoder: its folder. Yields how many are done.
    """
    first, shape = plan.pictures.num_drawn, (plan.pictures.num_reconstructed, *_shape(plan))

    def reconstructed(vae: AutoencoderKLQwenImage, rows: range) -> np.ndarray:
        return _reconstructed(vae, [sample_of(plan, first + row) for row in rows], plan)

    yield from fill_reconstructed(folder, autoencoder, device, shape, reconstructed)


def edit_some(plan: Plan, model: Path, folder: Path) -> Iterator[dict[str, int]]:
    """Let the editor in the folder `model` edit neutral portraits, unless it did; yields how many people."""
    target = file_by(folder, "edited", model / "transformer")
    if target.is_file():
        return
    editor = Editor.from_pretrained(model, adapter="none")

    def edited(people: range) -> np.ndarray:
        return np.stack([_edits(editor, plan, index) for index in people])

    shape = (plan.edits.num_people, plan.edits.edits_per_person, *_shape(plan))
    yield from fill_one(target, shape, edited, 1)


def load(plan: Plan, model: Path, folder: Path) -> TrainingPictures:
    """What the three stages wrote, memory-mapped, and the truths: drawn, reconstructed, edited.

    model: the editor's folder. The scores of edits are not numbers.
    """
    files = (
        drawn_file(folder),
        reconstructed_file(folder, model / "vae"),
        file_by(folder, "edited", model / "transformer"),
    )
    drawn, reconstructed, edited = (np.load(file, mmap_mode="r") for file in files)
    edited = edited.reshape(-1, *edited.shape[2:])
    samples = [sample_of(plan, index) for index in range(len(drawn) + len(reconstructed))]
    truths_NE = np.stack([sample.truth() for sample in samples])
    unknown_NE = np.full((len(edited), truths_NE.shape[1]), np.nan, np.float32)
    domains_N = np.array([DOMAINS.index(sample.domain) for sample in samples])
    of_edits_N = np.arange(len(edited)) // plan.edits.edits_per_person % len(DOMAINS)
    return TrainingPictures(
        (drawn, reconstructed, edited),
        np.concatenate([truths_NE, unknown_NE]),
        np.concatenate([domains_N, of_edits_N]),
        plan.pictures.held_every,
    )


def _edits(editor: Editor, plan: Plan, index: int) -> np.ndarray:
    """Edits of one person (P, S, S, 3) at strengths by chance; domains take turns."""
    pictures, rng = plan.pictures, np.random.default_rng((plan.seed, _EDITS, index))
    first = pictures.first_training_seed + pictures.num_drawn + pictures.num_reconstructed
    identity, domain = sample_identity(first + index), DOMAINS[index % len(DOMAINS)]
    source = draw_portrait(identity, ActionUnits(), domain, pictures.editor_px)
    names = rng.choice(EXPRESSIONS, plan.edits.edits_per_person, replace=False).tolist()
    strengths = rng.uniform(plan.edits.min_strength, plan.faces.max_strength, len(names)).tolist()
    requests = [Request(name, None, None, (value,)) for name, value in zip(names, strengths, strict=True)]
    images = [result.images[0] for result in editor.edit_many(source.image, requests, domain=domain)]
    marks_52 = source.truth.landmarks_5  # an edit moves neither eyes nor nose
    return np.stack(
        [face_crop(image, marks_52, plan.network.crop_px, pictures.margin_px) for image in images]
    )


def _reconstructed(vae: AutoencoderKLQwenImage, samples: list[Sample], plan: Plan) -> np.ndarray:
    """The crops of these samples after the autoencoder: of the part of the picture around the face alone."""
    landmarks, corners, moved, rest = [], [], [], []
    for sample in samples:
        identity = sample_identity(sample.identity_seed)
        portrait = draw_portrait(identity, sample.units, sample.domain, sample.size_px)
        x, y = _corner(portrait.truth.landmarks_5, plan.pictures)
        inside = np.s_[y : y + plan.pictures.region_px, x : x + plan.pictures.region_px]
        moved.append(np.asarray(portrait.image)[inside])
        if sample.fade < 1:
            rest.append(render(identity, ActionUnits(), sample.domain, sample.size_px)[inside])
        landmarks.append(portrait.truth.landmarks_5)
        corners.append((x, y))
    fades_N = np.array([sample.fade for sample in samples], np.float32)
    pictures = _through(vae, np.stack(moved), rest, fades_N)
    crop_px, margin_px = plan.network.crop_px, plan.pictures.margin_px
    return np.stack(
        [
            face_crop(Image.fromarray(picture), points - corner, crop_px, margin_px)
            for picture, points, corner in zip(pictures, landmarks, corners, strict=True)
        ]
    )


@torch.inference_mode()
def _through(
    vae: AutoencoderKLQwenImage, moved_NSS3: np.ndarray, rest: list[np.ndarray], fades_N: np.ndarray
) -> np.ndarray:
    """Pictures after the autoencoder; those that fade are mixed with theirs at rest, as latents."""

    def latents(pixels_NSS3: np.ndarray) -> torch.Tensor:
        return encode_images(vae, to_tensor(pixels_NSS3).to(vae.device))

    latents_NCHW = latents(moved_NSS3)
    if rest:
        (rows,) = np.nonzero(fades_N < 1)
        fades_N111 = torch.from_numpy(fades_N[rows]).to(latents_NCHW)[:, None, None, None]
        latents_NCHW[rows] = torch.lerp(latents(np.stack(rest)), latents_NCHW[rows], fades_N111)
    return to_pixels(decode_latents(vae, latents_NCHW))


def _corner(landmarks_52: np.ndarray, plan: PicturePlan) -> tuple[int, int]:
    """Of the square of `region_px` around what is cropped, in whole latents, within the picture."""
    (xx, xy, x0), (yx, yy, y0) = inverse(similarity(landmarks_52[:NUM_FIXED], TEMPLATE_3))
    middle_2 = (xx / 2 + xy / 2 + x0, yx / 2 + yy / 2 + y0)
    largest = plan.editor_px - plan.region_px
    x, y = (_LATENT_PX * round((value - plan.region_px / 2) / _LATENT_PX) for value in middle_2)
    return min(max(x, 0), largest), min(max(y, 0), largest)


def _shape(plan: Plan) -> tuple[int, int, int]:
    side = plan.network.crop_px + 2 * plan.pictures.margin_px
    return side, side, 3
