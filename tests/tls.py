"""A certificate of our own for tests, by OpenSSL's command, as the documentation makes it."""

import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Certificate(NamedTuple):
    cert: Path
    key: Path
    fingerprint: str  # SHA-256 of the certificate, as OpenSSL prints it


def a_certificate(folder: Path) -> Certificate:
    """Skips the test where there is no OpenSSL."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl makes no certificate here")
    cert = folder / "cert.pem"
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).hexdigest().upper()
    pin = ":".join(digest[i : i + 2] for i in range(0, 64, 2))
    return Certificate(cert, folder / "key.pem", pin)
