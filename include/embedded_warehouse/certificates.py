"""The warehouse's own certificates, so that its clients need no setting that differs from the cloud's."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Debian's list of public authorities is kept up to date; certifi's is as old as dbt-snowflake asks it to be.
SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
BEGIN = b"-----BEGIN CERTIFICATE-----"
VALID = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Certificates:
    """Files in one folder: the server's key and certificate, and the bundle (public CAs + ours) for its clients."""

    key: Path
    certificate: Path
    bundle: Path


def ensure_certificates(folder: str | Path, names: Sequence[str] = ("localhost",)) -> Certificates:
    """Return the certificates for 127.0.0.1 and ``names`` in ``folder``.

    They are made anew when missing, near their end, or when a name is not among theirs. The authority's private
    key is thrown away after use, so nobody can sign with it later. Clients trust the server by
    ``REQUESTS_CA_BUNDLE=<bundle>``.
    """
    folder = Path(folder)
    files = Certificates(folder / "server.key", folder / "server.crt", folder / "ca-bundle.pem")
    if not _usable(files, names):
        folder.mkdir(parents=True, exist_ok=True)
        _create(files, names)
    # The list of public authorities changes more often than ours, which is the last of the bundle.
    bundle = files.bundle.read_bytes()
    wanted = _public_authorities() + bundle[bundle.rindex(BEGIN) :]
    if bundle != wanted:
        _write(files.bundle, wanted)
    return files


def _public_authorities() -> bytes:
    return (SYSTEM_AUTHORITIES if SYSTEM_AUTHORITIES.exists() else Path(certifi.where())).read_bytes()


def _usable(files: Certificates, names: Sequence[str]) -> bool:
    if not all(path.exists() for path in (files.key, files.certificate, files.bundle)):
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fresh = certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE
    return fresh and set(names) <= set(known.get_values_for_type(x509.DNSName))


def _create(files: Certificates, names: Sequence[str]) -> None:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = (
        _builder("embedded warehouse CA", "embedded warehouse CA", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signing_usage(), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    addresses = [*map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    server = (
        _builder(names[0], "embedded warehouse CA", server_key)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_bytes = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(files.key, key_bytes, mode=0o600)
    _write(files.certificate, server.public_bytes(pem))
    _write(files.bundle, _public_authorities() + authority.public_bytes(pem))


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signing_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all; others can never read it when ``mode`` forbids that."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    partial.replace(path)
