"""Certificates are made once, renewed in time and trusted through the bundle."""

import ssl
from datetime import timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509

from include.embedded_warehouse import certificates
from include.embedded_warehouse.certificates import ensure_certificates

pytestmark = pytest.mark.embedded


def test_they_are_made_once(tmp_path):
    first = ensure_certificates(tmp_path / "tls").certificate.read_bytes()
    assert ensure_certificates(tmp_path / "tls").certificate.read_bytes() == first


def test_a_new_name_makes_them_anew(tmp_path):
    ensure_certificates(tmp_path)
    files = ensure_certificates(tmp_path, ("localhost", "warehouse"))
    names = x509.load_pem_x509_certificate(files.certificate.read_bytes()).extensions
    known = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert known.get_values_for_type(x509.DNSName) == ["localhost", "warehouse"]


def test_they_are_renewed_before_their_end(tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "VALID", timedelta(days=29))
    short = ensure_certificates(tmp_path).certificate.read_bytes()
    monkeypatch.undo()
    assert ensure_certificates(tmp_path).certificate.read_bytes() != short


def test_the_key_is_for_its_owner_only(tmp_path):
    assert ensure_certificates(tmp_path).key.stat().st_mode & 0o777 == 0o600


def test_key_and_certificate_belong_together_and_the_bundle_adds_one_authority(tmp_path):
    files = ensure_certificates(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
    trusted = x509.load_pem_x509_certificates(files.bundle.read_bytes())
    assert len(trusted) > 100
    server = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    server.verify_directly_issued_by(trusted[-1])


def test_the_bundle_follows_the_machines_list_of_authorities_and_keeps_our_own(tmp_path, monkeypatch):
    files = ensure_certificates(tmp_path / "tls")
    before = files.bundle.read_bytes()
    assert before.startswith(certificates.SYSTEM_AUTHORITIES.read_bytes())
    own = before[before.rindex(certificates.BEGIN) :]
    shorter = tmp_path / "ca-certificates.crt"
    shorter.write_bytes(own)
    monkeypatch.setattr(certificates, "SYSTEM_AUTHORITIES", shorter)
    assert ensure_certificates(tmp_path / "tls").bundle.read_bytes() == own * 2
    written = files.bundle.stat().st_mtime_ns
    assert ensure_certificates(tmp_path / "tls").bundle.stat().st_mtime_ns == written


def test_a_machine_without_a_list_of_its_own_takes_certifis(tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "SYSTEM_AUTHORITIES", tmp_path / "absent")
    files = ensure_certificates(tmp_path / "tls")
    assert files.bundle.read_bytes().startswith(Path(certifi.where()).read_bytes())
