"""The crops that the judge is trained on, drawn once and kept on disk, with the truth of each.

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
from pixelsmile.hashing import sha256_file
from pixelsmile.judges.embedded.judge import NUM_FIXED, TEMPLATE_3, face_crop
from pixelsmile.portraits import ActionUnits, draw_portrait, render, sample_identity
from recipes.faces.encoders.filling import fill
from recipes.faces.encoders.sittings import mapping
from recipes.judge.plan import PicturePlan, Plan
from recipes.judge.shots import Shot, shot_of
from recipes.work_folder import require_same_plan

_DRAWN = "drawn.npy"
_TRANSFORMER_WEIGHTS = Path("transformer", "diffusion_pytorch_model.safetensors")
_AUTOENCODER_WEIGHTS = "diffusion_pytorch_model.safetensors"
_LATENT_PX = 8  # what one latent covers
_EDITS = 4  # stream of random numbers
_DRAWN_AT_ONCE, _RECONSTRUCTED_AT_ONCE = 256, 8


@dataclass(frozen=True)
class Crops:
    """All crops with their margins (uint8), which of DOMAINS each is drawn in, and their scores.

    Crops are numbered through: drawn, reconstructed, edited. The scores of edits are not numbers.
    """

    drawn: np.ndarray  # NSS3
    reconstructed: np.ndarray  # NSS3
    edited: np.ndarray  # NSS3
    truths: np.ndarray  # NE
    domains: np.ndarray  # N
    held_every: int

    def crops(self, rows: np.ndarray) -> np.ndarray:
        """Those crops (B, S, S, 3)."""
        return np.stack([self._crop(row) for row in rows.tolist()])

    def _crop(self, row: int) -> np.ndarray:
        for part in (self.drawn, self.reconstructed):
            if row < len(part):
                return part[row]
            row -= len(part)
        return self.edited[row]

    def rows(self, *, held: bool) -> np.ndarray:
        """The numbers of those that are trained on, or of the held ones."""
        numbers_N = np.arange(len(self.truths))
        return numbers_N[(numbers_N % self.held_every == 0) == held]


@dataclass(frozen=True)
class DrawCrop:
    """Draws a crop, in whatever process."""

    plan: Plan

    def __call__(self, index: int) -> np.ndarray:
        """The crop (S, S, 3), uint8."""
        shot = shot_of(self.plan, index)
        portrait = draw_portrait(sample_identity(shot.identity_seed), shot.units, shot.domain, shot.size_px)
        return face_crop(
            portrait.image,
            portrait.truth.landmarks_5,
            self.plan.network.crop_px,
            self.plan.pictures.margin_px,
        )


def draw_all(plan: Plan, folder: Path, num_workers: int) -> Iterator[dict[str, int]]:
    """Draw every crop into `folder`, unless it is there. Yields how many are done."""
    require_same_plan(
        folder,
        {"seed": plan.seed, "crop_px": plan.network.crop_px, **asdict(plan.pictures), **asdict(plan.faces)},
    )
    if (folder / _DRAWN).is_file():
        return
    shape = (plan.pictures.num_drawn, *_shape(plan))
    with mapping(num_workers) as mapped:
        yield from fill(folder / _DRAWN, shape, lambda rows: mapped(DrawCrop(plan), rows), _DRAWN_AT_ONCE)


def reconstruct_some(
    plan: Plan, autoencoder: Path, folder: Path, device: torch.device
) -> Iterator[dict[str, int]]:
    """Draw the other pictures and pass them through the editor's autoencoder, unless this one did it before.

    autoencoder: its folder. Yields how many are done.
    """
    target = _reconstructed_file(folder, autoencoder)
    if target.is_file():
        return
    vae = AutoencoderKLQwenImage.from_pretrained(
        autoencoder, torch_dtype=torch.float32, trust_remote_code=False
    ).to(device)
    first, shape = plan.pictures.num_drawn, (plan.pictures.num_reconstructed, *_shape(plan))

    def reconstructed(rows: range) -> np.ndarray:
        shots = [shot_of(plan, first + row) for row in rows]
        return _reconstructed(vae, shots, plan)

    yield from fill(target, shape, reconstructed, _RECONSTRUCTED_AT_ONCE)


def edit_some(plan: Plan, model: Path, folder: Path) -> Iterator[dict[str, int]]:
    """Let the editor in the folder `model` edit neutral portraits, unless it did; yields how many people."""
    target = _edited_file(folder, model)
    if target.is_file():
        return
    editor = Editor.from_pretrained(model, adapter="none")

    def edited(people: range) -> np.ndarray:
        return np.stack([_edits(editor, plan, index) for index in people])

    shape = (plan.edits.num_people, plan.edits.edits_per_person, *_shape(plan))
    yield from fill(target, shape, edited, 1)


def load(plan: Plan, model: Path, folder: Path) -> Crops:
    """What the three stages wrote, memory-mapped, and the truths. model: the editor's folder."""
    files = (folder / _DRAWN, _reconstructed_file(folder, model / "vae"), _edited_file(folder, model))
    drawn, reconstructed, edited = (np.load(file, mmap_mode="r") for file in files)
    edited = edited.reshape(-1, *edited.shape[2:])
    shots = [shot_of(plan, index) for index in range(len(drawn) + len(reconstructed))]
    truths_NE = np.stack([shot.truth() for shot in shots])
    domains_N = np.array([DOMAINS.index(shot.domain) for shot in shots])
    of_edits = np.arange(len(edited)) // plan.edits.edits_per_person % len(DOMAINS)
    return Crops(
        drawn,
        reconstructed,
        edited,
        np.concatenate([truths_NE, np.full((len(edited), truths_NE.shape[1]), np.nan, np.float32)]),
        np.concatenate([domains_N, of_edits]),
        plan.pictures.held_every,
    )


def _edits(editor: Editor, plan: Plan, index: int) -> np.ndarray:
    """Edits of one person (P, S, S, 3) at strengths by chance; styles take turns."""
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


def _reconstructed(vae: AutoencoderKLQwenImage, shots: list[Shot], plan: Plan) -> np.ndarray:
    """The crops of these shots after the autoencoder: of the part of the picture around the face alone."""
    landmarks, corners, moved, rest = [], [], [], []
    for shot in shots:
        identity = sample_identity(shot.identity_seed)
        portrait = draw_portrait(identity, shot.units, shot.domain, shot.size_px)
        x, y = _corner(portrait.truth.landmarks_5, plan.pictures)
        inside = np.s_[y : y + plan.pictures.region_px, x : x + plan.pictures.region_px]
        moved.append(np.asarray(portrait.image)[inside])
        if shot.fade < 1:
            rest.append(render(identity, ActionUnits(), shot.domain, shot.size_px)[inside])
        landmarks.append(portrait.truth.landmarks_5)
        corners.append((x, y))
    fades_N = np.array([shot.fade for shot in shots], np.float32)
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
        images_NCHW = torch.from_numpy(pixels_NSS3).to(vae.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        return encode_images(vae, images_NCHW)

    latents_NCHW = latents(moved_NSS3)
    if rest:
        (rows,) = np.nonzero(fades_N < 1)
        fades_N111 = torch.from_numpy(fades_N[rows]).to(latents_NCHW)[:, None, None, None]
        latents_NCHW[rows] = torch.lerp(latents(np.stack(rest)), latents_NCHW[rows], fades_N111)
    images_NCHW = decode_latents(vae, latents_NCHW).float()
    return ((images_NCHW + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


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


def _reconstructed_file(folder: Path, autoencoder: Path) -> Path:
    """Named by the autoencoder's weights, for another one gives other pictures."""
    return folder / f"reconstructed-{sha256_file(autoencoder / _AUTOENCODER_WEIGHTS)[:12]}.npy"


def _edited_file(folder: Path, model: Path) -> Path:
    """Named by the editor's weights."""
    return folder / f"edited-{sha256_file(model / _TRANSFORMER_WEIGHTS)[:12]}.npy"
