"""Content credentials: signed, read back, broken by a change; certificates that are none are refused."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelsmile.errors import ImageError, InputError
from pixelsmile.hashing import sha256_bytes
from pixelsmile.images import load_image
from pixelsmile.provenance import certificates
from pixelsmile.provenance.certificates import Signer, load_signer, make_test_certificate, read_anchors
from pixelsmile.provenance.credentials import Claim, open_signer, parent_of, read_credentials, signed
from pixelsmile.results import animated

pytest.importorskip("c2pa")
pytest.importorskip("cryptography")
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PHOTOGRAPH = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("signer")
    make_test_certificate(place, "Anna Example")
    return place


@pytest.fixture(scope="module")
def signer(folder: Path) -> Signer:
    return open_signer(folder / "certificate.pem", folder / "key.pem")


def file_of(form: str) -> bytes:
    picture = load_image(PHOTOGRAPH)
    if form in ("GIF", "MP4"):
        return animated([picture, picture.rotate(3)], form.lower())
    buffer = io.BytesIO()
    picture.save(buffer, form)
    return buffer.getvalue()


def claim(title: str, **how: object) -> Claim:
    parent = parent_of(PHOTOGRAPH, Image.new("L", (1, 1)), None)
    return Claim(title, "compositeWithTrainedAlgorithmicMedia", "changed", parent, **how)


@pytest.mark.parametrize(
    ("form", "suffix"),
    [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif"), ("MP4", "mp4")],
)
def test_signed_and_read(form, suffix, signer, folder, tmp_path):
    if form == "MP4":
        pytest.importorskip("av")
    path = tmp_path / f"happy.{suffix}"
    path.write_bytes(signed(file_of(form), claim(path.name, is_marked=True), signer))
    found = read_credentials(path)
    assert (found.state, found.signer, found.problems) == ("untrusted", "Anna Example", ())
    assert found.parents == ("astronaut.jpg",)
    assert found.actions == (
        ("c2pa.opened", None),
        ("c2pa.edited", "compositeWithTrainedAlgorithmicMedia"),
        ("c2pa.watermarked.unbound", None),
    )
    assert found.generator.startswith("pixelsmile ")
    assert read_credentials(path, read_anchors(folder / "root.pem")).state == "trusted"


def test_the_pixels_are_as_they_were(signer, tmp_path):
    for form, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")):
        plain = file_of(form)
        data = signed(plain, claim(f"a.{suffix}"), signer)
        assert np.array_equal(load_image(data), load_image(plain))
        assert len(data) < len(plain) + 6000


@pytest.mark.parametrize(("form", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_a_changed_byte_breaks_it(form, suffix, signer, folder, tmp_path):
    plain = file_of(form)
    data = bytearray(signed(plain, claim(f"a.{suffix}"), signer))
    middle = plain[len(plain) // 2 :][:16]  # of the pixels
    data[data.index(middle)] ^= 1
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    found = read_credentials(path, read_anchors(folder / "root.pem"))
    assert found.state == "broken"
    assert any("changed after it was signed (assertion.dataHash.mismatch)" in line for line in found.problems)


def test_a_record_of_another_picture_breaks(signer, tmp_path):
    """The manifest of one picture in the file of another, as a forger would do it."""
    own = signed(file_of("PNG"), claim("a.png"), signer)
    other = io.BytesIO()
    Image.new("RGB", (300, 300), "red").save(other, "PNG")
    start = own.index(b"caBX") - 4
    chunk = own[start : start + 12 + int.from_bytes(own[start : start + 4], "big")]
    path = tmp_path / "forged.png"
    path.write_bytes(other.getvalue()[:33] + chunk + other.getvalue()[33:])
    assert read_credentials(path).state == "broken"


def test_what_the_parent_says_goes_on(signer, tmp_path):
    first = tmp_path / "first.png"
    first.write_bytes(signed(file_of("PNG"), claim("first.png"), signer))
    parent = parent_of(first, load_image(first), sha256_bytes(first.read_bytes()))
    second = tmp_path / "second.png"
    second.write_bytes(signed(file_of("PNG"), Claim("second.png", "humanEdits", "again", parent), signer))
    found = read_credentials(second)
    assert (found.state, found.parents) == ("untrusted", ("first.png",))
    assert b"astronaut.jpg" in second.read_bytes()
    with pytest.raises(ImageError, match="has changed"):
        parent_of(first, load_image(first), "0" * 64)


def test_an_unedited_picture_says_no_edit(signer, tmp_path):
    path = tmp_path / "same.png"
    path.write_bytes(signed(file_of("PNG"), claim("same.png", is_edited=False, is_marked=True), signer))
    assert read_credentials(path).actions == (("c2pa.opened", None),)


def test_a_picture_without_a_file_is_a_parent(signer, tmp_path):
    picture = load_image(PHOTOGRAPH)
    for path in (None, tmp_path / "face.bmp"):
        title, media_type, data = parent_of(path, picture, None)
        assert media_type == "image/png"
        assert np.array_equal(load_image(data), picture)
    assert title == "face.bmp"


def test_no_credentials(tmp_path):
    assert read_credentials(PHOTOGRAPH) is None
    (tmp_path / "none.png").write_bytes(b"nothing at all")
    found = read_credentials(tmp_path / "none.png")
    assert found is None or found.state == "broken"


def test_the_key_is_private_and_the_names_are_kept(folder, tmp_path):
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in (folder / "certificate.pem").read_text()
    for name in ("", " ", "x" * 65, "a\x00b"):
        with pytest.raises(InputError, match="printable letters"):
            make_test_certificate(tmp_path / "no", name)
    with pytest.raises(InputError, match="already there"):
        make_test_certificate(folder, "Anna")
    assert "BEGIN" not in repr(load_signer(folder / "certificate.pem", folder / "key.pem"))


def refused(certificate: Path, key: Path) -> str:
    with pytest.raises(InputError) as error:
        open_signer(certificate, key)
    return str(error.value)


def test_keys_that_are_refused(folder, tmp_path):
    certificate = folder / "certificate.pem"
    other, locked, small, text = (tmp_path / f"{name}.pem" for name in ("other", "locked", "small", "text"))
    make_test_certificate(tmp_path / "other", "Ben")
    assert "is not that of the certificate" in refused(certificate, tmp_path / "other" / "key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    locked.write_bytes(key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret")))
    assert "is encrypted: openssl pkey -in" in refused(certificate, locked)
    text.write_text("no key")
    assert "holds no private key" in refused(certificate, text)
    assert "holds no private key" in refused(certificate, certificate)
    assert "holds no certificate" in refused(folder / "key.pem", folder / "key.pem")
    assert "there is no file" in refused(certificate, tmp_path / "absent.pem")
    assert "is a folder" in refused(folder, tmp_path / "absent.pem")
    reversed_chain = (folder / "root.pem").read_text() + certificate.read_text()
    other.write_text(reversed_chain)
    assert "begins with the certificate of another" in refused(other, folder / "key.pem")
    weak = rsa.generate_private_key(65537, 1024)
    small.write_bytes(weak.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    own = own_certificate(weak, small.with_name("weak.pem"))
    assert "C2PA does not sign with a key like" in refused(own, small)


def own_certificate(key: object, path: Path, start: int = -1, end: int = 9) -> Path:
    """A certificate that vouches for itself and has no purpose, valid between two days from now."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "me")])
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now + timedelta(days=start)).not_valid_after(now + timedelta(days=end))
    path.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(PEM))
    return path


def test_certificates_that_are_refused(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    own_key = tmp_path / "key.pem"
    own_key.write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    assert "cannot sign" in refused(own_certificate(key, tmp_path / "own.pem"), own_key)
    assert "expired on" in refused(own_certificate(key, tmp_path / "old.pem", -9, -1), own_key)
    assert "is not valid before" in refused(own_certificate(key, tmp_path / "new.pem", 2, 9), own_key)


def test_without_the_libraries(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    with pytest.raises(InputError, match=r'pip install -c constraints.txt -e "\.\[sign\]"'):
        certificates.load_signer(folder / "certificate.pem", folder / "key.pem")
