"""Who we are, from a kubeconfig or a pod's service account."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from runtime.kubernetes import connection
from runtime.kubernetes.connection import NoCluster, load


def kubeconfig(folder: Path, user: dict[str, object]) -> Path:
    context = {"cluster": "c", "user": "u", "namespace": "llm"}
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": context}, {"name": "bare", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://10.0.0.1:6443/", "tls-server-name": "kube"}}],
        "users": [{"name": "u", "user": user}],
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(told))
    return file


def test_a_kubeconfig_gives_address_namespace_and_token(tmp_path: Path) -> None:
    found = load(kubeconfig(tmp_path, {"token": "secret"}))
    assert (found.url, found.namespace, found.server_name) == ("http://10.0.0.1:6443", "llm", "kube")
    assert found.token is not None and found.token() == "Bearer secret"


def test_a_context_may_be_named_and_has_its_own_namespace(tmp_path: Path) -> None:
    assert load(kubeconfig(tmp_path, {"token": "secret"}), "bare").namespace == "default"


def test_a_plugin_is_asked_for_the_token(tmp_path: Path) -> None:
    said = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"fresh"}}'
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({said!r})"],
        "interactiveMode": "Never",
    }
    found = load(kubeconfig(tmp_path, {"exec": plugin}))
    assert found.token is not None and found.token() == "Bearer fresh"


@pytest.mark.parametrize("context", ["nowhere", "here"])
def test_what_cannot_be_read_is_one_line(tmp_path: Path, context: str) -> None:
    file = kubeconfig(tmp_path, {"client-certificate": "missing"}) if context == "nowhere" else tmp_path / "missing"
    with pytest.raises(NoCluster) as told:
        load(file, context)
    assert str(file) in str(told.value) and "\n" not in str(told.value)


def test_in_a_pod_the_service_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "namespace").write_text("llm\n")
    (tmp_path / "token").write_text("mounted")
    monkeypatch.setattr(connection, "NAMESPACE_FILE", tmp_path / "namespace")
    for name, value in (("HOST", "10.0.0.1"), ("PORT", "443")):
        monkeypatch.setenv(f"KUBERNETES_SERVICE_{name}", value)
    with pytest.raises(NoCluster, match="Service token file does not exist"):
        load()
