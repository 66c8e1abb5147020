"""Every number of the recipe, in one place."""

from dataclasses import dataclass, field

from pixelsmile.networks.expression_judge import EmbeddedJudgeConfig
from recipes.augmentation import LightPlan
from recipes.optimisation import Optimisation
from recipes.random_faces import FacePlan


@dataclass(frozen=True)
class PicturePlan:
    """What is drawn. No two pictures show the same person; seeds 7,000,000 to 7,999,999 are this recipe's.

    A held picture is never trained on: these fix where the region of drawn faces ends.
    """

    num_drawn: int = 24_000
    num_reconstructed: int = 6_000  # through the editor's autoencoder, where all edits come from
    held_every: int = 20  # one picture in so many is held
    first_training_seed: int = 7_000_000
    first_test_seed: int = 7_500_000
    sizes_px: tuple[int, ...] = (64, 96, 128, 192, 256, 256, 256, 256, 384, 512)  # one of these
    editor_px: int = 256  # of what is reconstructed: as the editor works
    region_px: int = 192  # of it, around the face: the rest is not looked at, and costs as much
    # A share of the reconstructions lies between the neutral and the expressive latent: as edits at a lower
    # strength may look. Their truth is that of the movement as far as it has gone.
    faded_share: float = 0.3
    margin_px: int = 8  # of a crop, for loose landmarks


@dataclass(frozen=True)
class EditPlan:
    """Edits by the embedded editor: their scores are not known, but a judge of edits must not refuse them."""

    num_people: int = 80  # their seeds follow those of the pictures
    edits_per_person: int = 8
    min_strength: float = 0.2


@dataclass(frozen=True)
class JudgedFacePlan(FacePlan):
    """Some faces lie between two variants of one expression."""

    max_strength: float = 1.5
    neutral_share: float = 0.08
    blend_share: float = 0.25
    mixed_share: float = 0.15  # one expression between two of its variants


@dataclass(frozen=True)
class AugmentationPlan(LightPlan):
    """How a crop is changed each time that it is seen; ranges are uniform and lie on both sides.

    Nothing is mirrored, for gazes and smirks are signed. Landmarks are as loose as the detector's; strengths
    show in pixels that it must not blur away.
    """

    landmark_noise: float = 0.035  # deviation of each coordinate, in eye distances
    contrast: float = 0.08
    jpeg_share: float = 0.2  # of the crops
    jpeg_quality: tuple[int, int] = (45, 95)
    blur_share: float = 0.25
    max_blur_px: float = 0.9
    noise_share: float = 0.25
    max_noise: float = 0.03


@dataclass(frozen=True)
class LossPlan:
    """Errors of scores, and of how far the highest one stands above the others."""

    huber: float = 0.1  # larger errors count linearly
    ranking: float = 0.25  # weight


@dataclass(frozen=True)
class FakePlan:
    """What the judge learns not to take for drawn: drawn faces made strange, textures, photographs of things.

    photographs: of scikit-image. Its portrait of an astronaut is not among them, to be tested on.
    """

    num: int = 20  # a step, beside the batch
    weight: float = 0.3  # of the loss
    photographs: tuple[str, ...] = (
        "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "hubble_deep_field",
        "immunohistochemistry", "moon", "retina", "rocket",
    )  # fmt: skip
    max_warp_px: float = 4.0
    texture: tuple[float, float] = (0.02, 0.12)  # deviation of the grain, of a range of 1
    shading: tuple[float, float] = (0.1, 0.4)  # of the light over a face


@dataclass(frozen=True)
class RegionPlan:
    """Where drawn faces end. Fitted on training pictures, ended by held ones."""

    num_fitted: int = 8_000  # each as it is and changed once
    # Shares of the held pictures, half of them changed, that are too far away, and that are not drawn enough.
    too_far: float = 0.0025
    not_drawn: float = 0.0025


OPTIMISATION = Optimisation(1_700, 2e-3, 100, 0.995, decay_share=0.7, weight_decay=0.01, checkpoint_every=100)


@dataclass(frozen=True)
class Plan:
    """The whole recipe. `seed` starts every random stream: step N draws from (seed, stream, N)."""

    seed: int = 0
    pictures: PicturePlan = field(default_factory=PicturePlan)
    edits: EditPlan = field(default_factory=EditPlan)
    faces: JudgedFacePlan = field(default_factory=JudgedFacePlan)
    augmentation: AugmentationPlan = field(default_factory=AugmentationPlan)
    loss: LossPlan = field(default_factory=LossPlan)
    fakes: FakePlan = field(default_factory=FakePlan)
    region: RegionPlan = field(default_factory=RegionPlan)
    network: EmbeddedJudgeConfig = field(default_factory=EmbeddedJudgeConfig)
    batch_size: int = 56
    reconstructed_share: float = 0.3  # of a batch
    edited_share: float = 0.1
    optimisation: Optimisation = OPTIMISATION
