"""An authority of the tests' own, which signs certificates for names and addresses."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.tlssettings import TlsSettings

HOUR = datetime.timedelta(hours=1)


class Authority:
    """Signs with a key of its own; ``file`` is its certificate."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.file = folder / f"{name}.crt"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(self._name, self._key.public_key(), HOUR)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))

    def issue(self, name: str, *hosts: str, left: datetime.timedelta = HOUR) -> TlsSettings:
        """Write NAME.crt and NAME.key, for these hosts; over what was there."""
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(who, key.public_key(), left)
        made = made.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        files = TlsSettings(cert_file=self.folder / f"{name}.crt", key_file=self.folder / f"{name}.key")
        files.cert_file.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        files.key_file.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
        return files

    def _builder(
        self, who: x509.Name, key: ec.EllipticCurvePublicKey, left: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        made = x509.CertificateBuilder(self._name, who, key, x509.random_serial_number())
        return made.not_valid_before(now - 2 * HOUR).not_valid_after(now + left)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
