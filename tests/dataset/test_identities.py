"""Identities: who is who by embeddings and by what sources say, worked out by hand."""

import numpy as np

from pixelsmile.dataset import identities
from pixelsmile.dataset.config import IdentitySettings, SamePerson
from pixelsmile.dataset.identities import Identities
from pixelsmile.dataset.rows import Row, decoded_embedding, encoded_embedding


def row(number: int, degrees: float | None, identity: str | None = None, encoder: str = "e") -> Row:
    """A face whose embedding lies on a circle."""
    embedding = None
    if degrees is not None:
        angle = np.radians(degrees)
        embedding = encoded_embedding(np.array([np.cos(angle), np.sin(angle)]))
    return Row(
        id=f"{number:016x}",
        source="s",
        key=str(number),
        domain="human",
        identity=identity,
        encoder=None if embedding is None else encoder,
        embedding=embedding,
    )


def people(rows: list[Row], **settings: object) -> list[str]:
    limits = SamePerson(human=0.94)  # 20 degrees
    decide = Identities(IdentitySettings(min_cosine=limits, **settings))(rows)
    return [(decide(number, one).person or "").lstrip("0") for number, one in enumerate(rows)]


def test_faces_near_one_another_are_one_person_and_so_are_chains(monkeypatch):
    rows = [row(1, 0), row(2, 90), row(3, 15), row(4, 30), row(5, None), row(6, 0, encoder="another")]
    expected = ["1", "2", "1", "1", "5", "6"]
    assert people(rows) == expected
    monkeypatch.setattr(identities, "_BLOCK", 2)
    assert people(rows) == expected


def test_sources_know_better_unless_they_are_not_trusted():
    rows = [row(1, 0, "anna"), row(2, 5, "ben"), row(3, 180, "anna"), row(4, 182)]
    assert people(rows) == ["s/human/anna", "s/human/ben", "s/human/anna", "s/human/anna"]
    assert people(rows, trust_source=False) == ["1", "1", "3", "3"]


def test_a_person_with_one_picture_can_be_too_few():
    rows = [row(1, 0), row(2, 90), row(3, 10)]
    decide = Identities(IdentitySettings(min_cosine=SamePerson(human=0.94), min_pictures=2))(rows)
    decided = [decide(number, one) for number, one in enumerate(rows)]
    assert [one.reason for one in decided] == [None, "too few pictures of the person", None]
    assert (decided[1].measured, decided[1].limit) == (1, 2)


def test_embeddings_come_back_as_they_went():
    embedding = np.random.default_rng(0).normal(size=384)
    embedding /= np.linalg.norm(embedding)
    again = decoded_embedding(encoded_embedding(embedding))
    assert again.shape == (384,)
    assert float(embedding @ again) > 1 - 1e-6
