"""Certificates and keys to sign with: read and checked before anything is signed, or made to try signing
out."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelsmile.errors import InputError, install
from pixelsmile.limits import MAX_CONFIG_BYTES, read_bytes
from pixelsmile.store.publication import staged

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CERTIFICATES_NAME, KEY_NAME, ROOT_NAME = "certificate.pem", "key.pem", "root.pem"
TEST_ORGANISATION = "pixelsmile test certificate"
MAX_DAYS = 3650
_MAX_NAME = 64  # as X.520 has it
_EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4"  # the purpose that every validator of C2PA takes
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_MIN_RSA_BITS = 2048


@dataclass(frozen=True)
class Signer:
    """Who signs. name: as the certificate has it. algorithm: as C2PA calls it. certificates: PEM, the
    signer's first, those that vouch for it after it. key: PEM, PKCS 8.
    """

    name: str
    algorithm: str
    certificates: str = field(repr=False)
    key: str = field(repr=False)


def load_signer(certificate: Path, key: Path) -> Signer:
    """A certificate (PEM, with those that vouch for it after it) and its private key (PEM, not encrypted).

    InputError where a file is none, the key is encrypted, of a kind that C2PA does not sign with, or not the
    certificate's, and where the certificate is not valid today.
    """
    require_libraries()
    from cryptography.hazmat.primitives import serialization

    certificates = _read_certificates(certificate)
    private = _read_key(key)
    theirs = _public_bytes(private.public_key())
    if theirs != _public_bytes(certificates[0].public_key()):
        if any(theirs == _public_bytes(one.public_key()) for one in certificates[1:]):
            raise InputError(
                f"{str(certificate)!r} begins with the certificate of another: put the signer's first"
            )
        raise InputError(f"the key {str(key)!r} is not that of the certificate {str(certificate)!r}")
    _check_dates(certificates[0], certificate)
    encoded = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)
    return Signer(_name_of(certificates[0]), _algorithm(private, key), chain, encoded.decode())


def read_anchors(path: Path) -> str:
    """Certificates whom to trust, as PEM. InputError for a file that holds none."""
    require_libraries()
    from cryptography.hazmat.primitives import serialization

    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in _read_certificates(path))


def make_test_certificate(folder: Path, name: str, days: int = 365, *, force: bool = False) -> list[Path]:
    """A certificate for `name`, its key, and the root that vouches for it, whose own key is thrown away.

    Nobody trusts the root who is not told to: it is for trying. The paths of the certificate, the key (which
    only its owner can read) and the root. OutputError as files that exist, unless `force`; InputError.
    """
    require_libraries()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    name = " ".join(name.split())
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        raise InputError(f"a name for a certificate has 1 to {_MAX_NAME} printable letters, not {name!r}")
    if not 1 <= days <= MAX_DAYS:
        raise InputError(f"a certificate is valid for 1 to {MAX_DAYS} days, not {days}")
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("pixelsmile test root", root_key, root_key, days, is_root=True)
    own = _certificate(name, key, root_key, days, is_root=False)
    root_pem, own_pem = (one.public_bytes(serialization.Encoding.PEM) for one in (root, own))
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    names = [CERTIFICATES_NAME, KEY_NAME, ROOT_NAME]
    with staged(folder, names, force=force) as stage:
        for file, data in zip(names, (own_pem + root_pem, key_pem, root_pem), strict=True):
            stage.write(file, data)
        (stage.waiting / KEY_NAME).chmod(0o600)  # in a folder that only its owner sees
    return [folder / file for file in names]


def require_libraries() -> None:
    """InputError where the libraries that sign are not installed."""
    try:
        import c2pa  # noqa: F401
        import cryptography  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"signatures need the libraries of the extra sign (no {error.name}): {install('sign')}"
        ) from error


def _certificate(
    name: str,
    key: "EllipticCurvePrivateKey",
    root_key: "EllipticCurvePrivateKey",
    days: int,
    *,
    is_root: bool,
) -> "x509.Certificate":
    """By the profile of C2PA (specification 2.2, section 14.5): a signer's own root is not taken."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    start = datetime.now(UTC) - timedelta(minutes=5)  # clocks differ
    builder = (
        x509.CertificateBuilder()
        .subject_name(_distinguished(name))
        .issuer_name(_distinguished("pixelsmile test root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_root, 0 if is_root else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .add_extension(_usage(is_root), critical=True)
    )
    if not is_root:
        purposes = x509.ExtendedKeyUsage([x509.ObjectIdentifier(_EMAIL_PROTECTION)])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(root_key, hashes.SHA256())


def _distinguished(name: str) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, TEST_ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _usage(is_root: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_root,
        key_cert_sign=is_root,
        crl_sign=is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read_certificates(path: Path) -> "list[x509.Certificate]":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(read_bytes(path, max_bytes=MAX_CONFIG_BYTES))
    except ValueError as error:
        raise InputError(
            f"{str(path)!r} holds no certificate in PEM (it begins with -----BEGIN CERTIFICATE-----)"
        ) from error


def _read_key(path: Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = read_bytes(path, max_bytes=MAX_CONFIG_BYTES)
    try:
        return load_pem_private_key(data, password=None)
    except TypeError as error:
        plain = path.with_name("plain.pem")
        raise InputError(
            f"the key {str(path)!r} is encrypted: openssl pkey -in {path} -out {plain} takes its password off"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"{str(path)!r} holds no private key in PEM (it begins with -----BEGIN PRIVATE KEY-----)"
        ) from error


def _algorithm(private: Any, path: Path) -> str:
    """How C2PA signs with a key of that kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match private:
        case ec.EllipticCurvePrivateKey() if private.curve.name in _CURVES:
            return _CURVES[private.curve.name]
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
        case rsa.RSAPrivateKey() if private.key_size >= _MIN_RSA_BITS:
            return "ps256"
    raise InputError(
        f"C2PA does not sign with a key like {str(path)!r}: use one on the curve P-256, P-384 or P-521, "
        f"Ed25519, or RSA of {_MIN_RSA_BITS} bits"
    )


def _check_dates(certificate: "x509.Certificate", path: Path) -> None:
    now = datetime.now(UTC)
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise InputError(f"the certificate {str(path)!r} expired on {end:%Y-%m-%d}: get a new one")
    if now < start:
        raise InputError(f"the certificate {str(path)!r} is not valid before {start:%Y-%m-%d %H:%M} UTC")


def _name_of(certificate: "x509.Certificate") -> str:
    from cryptography.x509.oid import NameOID

    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in certificate.subject.get_attributes_for_oid(kind):
            return str(attribute.value)
    return certificate.subject.rfc4514_string()


def _public_bytes(public: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    encoded: bytes = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
