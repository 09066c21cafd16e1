"""Sending: a message to a webhook, a mail to a server. Every failure is one line without a secret in it."""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import httpx

from app.costsettings import EmailSettings, WebhookSettings
from app.reports.destination import Forbidden, Resolve, destination, resolved

SEND_S = 20.0


class NotSent(Exception):
    """What could not be sent; one line, and worth another try."""


def post(
    settings: WebhookSettings,
    body: Mapping[str, Any],
    transport: httpx.BaseTransport | None = None,
    resolve: Resolve = resolved,
) -> None:
    """Post to the webhook; raises ``NotSent``. The name is checked by its certificate though the address is dialled."""
    url = os.environ.get(settings.url_env)
    if not url:
        raise NotSent(f"webhook: the environment variable {settings.url_env} is not set; set it to the address")
    try:
        to = destination(url, settings.private, resolve)
    except Forbidden as error:
        raise NotSent(str(error)) from None
    try:
        with httpx.Client(transport=transport, timeout=SEND_S, follow_redirects=False, trust_env=False) as http:
            name = {"sni_hostname": to.host}
            answer = http.post(to.url, json=dict(body), headers={"Host": to.host_header}, extensions=name)
    except httpx.HTTPError as error:
        raise NotSent(f"webhook {to.host}: {type(error).__name__}") from None
    if not answer.is_success:
        raise NotSent(f"webhook {to.host}: answered {answer.status_code}")


def send_mail(settings: EmailSettings, message: EmailMessage) -> None:
    """Hand the mail to the server; raises ``NotSent``. Without encryption only to loopback, and never a password."""
    password = os.environ.get(settings.password_env) if settings.password_env else None
    if settings.user and password is None:
        raise NotSent(f"mail: the environment variable {settings.password_env or 'password_env'} is not set")
    if settings.security == "none" and (settings.host not in ("127.0.0.1", "::1", "localhost") or settings.user):
        raise NotSent(f"mail {settings.host}: without encryption only loopback is spoken to; use starttls or tls")
    try:
        with _server(settings) as server:
            if settings.user and password is not None:
                server.login(settings.user, password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"mail {settings.host}: {type(error).__name__}") from None


def _server(settings: EmailSettings) -> smtplib.SMTP:
    if settings.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=SEND_S, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=SEND_S)
    if settings.security == "starttls":
        server.starttls(context=ssl.create_default_context())
    return server
