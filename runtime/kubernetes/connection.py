"""Where the API server is and who we are there, as the ``kubernetes`` package reads it: kubeconfig with its contexts
and exec plugins, or the service account of the pod that we run in.

Tokens are short-lived. Asking for one is cheap and reads it again where it may have changed; files and plugins are
read at once, so ask from a thread.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class NoCluster(Exception):
    """No cluster can be reached with what there is: one line that says why."""


@dataclass(frozen=True, slots=True)
class Connection:
    """``token`` gives the value of the Authorization header, if there is one; it may block."""

    url: str
    verify: ssl.SSLContext | bool = True
    token: Callable[[], str | None] | None = None
    namespace: str = "default"
    proxy: str | None = None
    server_name: str | None = None


def load(kubeconfig: Path | None = None, context: str | None = None) -> Connection:
    """From a kubeconfig if one is named, else from the pod's service account, else from the default kubeconfig.

    Raises ``NoCluster``.
    """
    # By name: an import would have the type checker read, and the interpreter load, a model class of every API object.
    config = importlib.import_module("kubernetes.config")
    settings = importlib.import_module("kubernetes.client.configuration").Configuration()
    try:
        if kubeconfig is None and context is None and NAMESPACE_FILE.exists():
            config.load_incluster_config(client_configuration=settings)
            return connection(settings, NAMESPACE_FILE.read_text().strip())
        file = str(kubeconfig) if kubeconfig else None
        config.load_kube_config(file, context, client_configuration=settings, persist_config=False)
        return connection(settings, _namespace(config, file, context))
    except (config.ConfigException, OSError, ValueError) as error:
        where = kubeconfig or "kubeconfig (KUBECONFIG, ~/.kube/config)"
        raise NoCluster(f"{where}: {error}; give a kubeconfig with a context that works, or run in a pod") from error


def connection(settings: Any, namespace: str = "default") -> Connection:
    """From a ``kubernetes.client.Configuration`` that has been loaded. Raises OSError for certificates that are not
    there, ValueError (ssl.SSLError) for those that are none.
    """

    def token() -> str | None:
        said: str | None = settings.get_api_key_with_prefix("BearerToken", alias="authorization")
        return said

    return Connection(
        url=settings.host.rstrip("/"),
        verify=_tls(settings),
        token=token,
        namespace=namespace,
        proxy=settings.proxy,
        server_name=settings.tls_server_name,
    )


def _tls(settings: Any) -> ssl.SSLContext | bool:
    if not settings.host.startswith("https"):
        return True
    tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if not settings.verify_ssl:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if settings.cert_file:
        tls.load_cert_chain(settings.cert_file, settings.key_file)
    return tls


def _namespace(config: Any, file: str | None, context: str | None) -> str:
    contexts, current = config.list_kube_config_contexts(file)
    chosen = next((one for one in contexts if one["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")
