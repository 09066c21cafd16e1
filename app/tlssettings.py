"""A certificate and its key, as ``fleet.yaml`` names them: for the API, and for the agent of a machine."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from app.section import Section


class TlsSettings(Section):
    """The certificate that a listener shows."""

    cert_file: Path = Field(description="PEM file with the certificate and its chain.")
    key_file: Path = Field(description="PEM file with its key, unencrypted.")
