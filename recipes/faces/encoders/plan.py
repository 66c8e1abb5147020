"""Every number of the recipe, in one place, and the arithmetic behind the sizes.

Time: two CPU cores give 150 GFLOP/s in float32 on wide layers; the narrow ones here reach under half of that.
Measured on one thread of the two, the other being busy with something else: CPU time of a whole step (crops,
augmentation, forward, backward, AdamW).

              parameters   GFLOP a sample   batch   a step   steps   both threads so
    arcface       0.77 M             0.28      64   0.88 s    1600          11.7 min
    adaface       0.12 M             0.26      64   0.68 s    1700           9.6 min
    facenet       0.66 M             0.33      72   0.78 s    1800          11.7 min

Free cores are faster. A training sees each of 2,800 people about 40 times. In float16 the three weigh 3.2 MB.
"""

from dataclasses import dataclass, field

from pixelsmile.faces.encoders.architectures import Architecture
from pixelsmile.faces.encoders.encoder import Kind
from pixelsmile.faces.encoders.inception_resnet import InceptionResnetConfig
from pixelsmile.faces.encoders.insightface import IResNetConfig, MobileFaceNetConfig
from recipes.augmentation import LightPlan
from recipes.optimisation import Optimisation


@dataclass(frozen=True)
class PeoplePlan:
    """Who is drawn. Seeds from 6,000,000 to 6,999,999 belong to this recipe; a donor lends traits or a scene.

    A family is one person and look-alikes, who differ in a few traits and count as other people. A family is
    drawn in both domains, and each domain counts as other people too: what human and anime pictures of a seed
    share is a description, not a face. No edit leads from one domain to the other, and no pair is made of
    both. So half of the classes, and of the tests, are of each domain, and a seed's parity (it decides
    on which side the hair is parted) says nothing about the domain.
    """

    num_families: int = 700
    family_size: int = 2
    max_changed_traits: int = 4  # of a look-alike; at least 1
    first_training_seed: int = 6_000_000
    first_training_donor: int = 6_200_000
    first_test_seed: int = 6_500_000
    first_test_donor: int = 6_700_000
    num_donors: int = 100_000


@dataclass(frozen=True)
class PicturePlan:
    """What is kept of each person: crops aligned to the 160 px template (FaceNet's), with a margin around.

    700 families x 2 members x 2 domains = 2,800 people x (8 + 2) crops of 176 px = 28,000 crops, 2.6 GB.
    Drawing takes about 3 minutes on two cores, the reconstructions as long.
    """

    sizes_px: tuple[int, ...] = (160, 208, 256)  # of a picture before alignment: one of these
    pictures_per_person: int = 8  # the first is neutral, each of the others shows another expression
    # Edits come out of the editor's autoencoder: as many pictures of each person are there as it gives them.
    reconstructed_per_person: int = 2
    min_strength: float = 0.3
    max_strength: float = 1.5
    template_px: int = 160
    margin_px: int = 8

    @property
    def crop_px(self) -> int:
        """Side of a crop that is kept."""
        return self.template_px + 2 * self.margin_px


@dataclass(frozen=True)
class AugmentationPlan(LightPlan):
    """How a crop is changed each time that it is seen; ranges are uniform and lie on both sides.

    Nothing is mirrored: hair is parted on one side, an edit never mirrors, and pictures are not scarce.
    """

    landmark_noise: float = 0.06  # deviation of each coordinate, in eye distances: shift, turn and zoom
    brightness: float = 0.06
    jpeg_share: float = 0.2  # of the crops
    jpeg_quality: tuple[int, int] = (40, 95)
    blur_share: float = 0.3


@dataclass(frozen=True)
class AngularMarginPlan:
    """ArcFace's loss. The paper has scale 64 and margin 0.5 for 85,000 people and days of training.

    For N people the scale must exceed ln(99 (N - 1)) = 12.5 to let a probability reach 0.99 (Wang et al.
    2018, CosFace, Eq. 6). Look-alikes may differ in the colour of the eyes alone: a smaller margin.
    """

    scale: float = 32.0
    margin: float = 0.3  # radians


@dataclass(frozen=True)
class AdaptiveMarginPlan:
    """AdaFace's loss, with the paper's margin and concentration."""

    scale: float = 32.0
    margin: float = 0.4
    concentration: float = 0.333
    momentum: float = 0.01  # of the statistics of the lengths


@dataclass(frozen=True)
class TripletPlan:
    """FaceNet's loss, with the paper's margin."""

    margin: float = 0.2


LossPlan = AngularMarginPlan | AdaptiveMarginPlan | TripletPlan


@dataclass(frozen=True)
class EncoderPlan:
    """One encoder: its network, its loss and its batches.

    A batch is `families_per_batch` families in one domain each, with all their members, so that look-alikes
    meet, and `pictures_per_person` of each member.
    """

    kind: Kind  # decides channel order, size and range, as for the published networks
    architecture: Architecture
    loss: LossPlan
    families_per_batch: int
    pictures_per_person: int
    optimisation: Optimisation


ENCODERS = (
    EncoderPlan(
        "arcface",
        IResNetConfig(layers=(1, 1, 1, 1), widths=(8, 24, 48, 96), stem_width=8, num_features=128),
        AngularMarginPlan(),
        families_per_batch=32,
        pictures_per_person=1,
        optimisation=Optimisation(1_600, 2e-3, 100, 0.995, decay_share=0.6, weight_decay=0.01),
    ),
    EncoderPlan(
        "adaface",
        MobileFaceNetConfig(num_blocks=(1, 2, 1), width=32, last_width=256, num_features=128),
        AdaptiveMarginPlan(),
        families_per_batch=32,
        pictures_per_person=1,
        optimisation=Optimisation(1_700, 2e-3, 100, 0.995, decay_share=0.6, weight_decay=0.01),
    ),
    EncoderPlan(
        "facenet",
        InceptionResnetConfig(num_blocks=(1, 1, 1), width=0.25, num_features=128),
        TripletPlan(),
        families_per_batch=12,
        pictures_per_person=3,
        optimisation=Optimisation(1_800, 1.5e-3, 100, 0.995, decay_share=0.6, weight_decay=0.01),
    ),
)


@dataclass(frozen=True)
class VerificationPlan:
    """On what the encoders are measured: pairs of people that none of them has seen."""

    num_people: int = 1_000  # in each domain, and as many pairs of each kind
    size_px: int = 256  # of a picture: the embedded editor's
    changed_traits: tuple[int, ...] = (4, 2, 1)  # of the look-alikes
    landmark_noise: float = 0.03  # as of a detector
    false_accept_rates: tuple[float, ...] = (1e-2, 1e-3)
    num_resamples: int = 1_000  # of the bootstrap


@dataclass(frozen=True)
class Plan:
    """The whole recipe. `seed` starts every random stream: step N of a kind draws from (seed, kind, N)."""

    seed: int = 0
    people: PeoplePlan = field(default_factory=PeoplePlan)
    pictures: PicturePlan = field(default_factory=PicturePlan)
    augmentation: AugmentationPlan = field(default_factory=AugmentationPlan)
    encoders: tuple[EncoderPlan, ...] = ENCODERS
    verification: VerificationPlan = field(default_factory=VerificationPlan)
