"""The chart renders, by Helm's own engine, what every supported version takes; and what it renders holds together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from pydantic import ValidationError

from app.cli.main import app
from app.manifests.agent import ENGINE_PORTS
from app.settings import Settings, load
from runtime.kubernetes.names import AGENT_LABEL
from tests.app.manifests.test_agent import SAFE, of
from tests.deploy.charts import ALL, ROOT, documents, find, pods, render
from tests.kubernetes_versions import VERSIONS, taken

FOREIGN = ("ServiceMonitor", "PodMonitor")
"""Kinds that Kubernetes' own schemas do not know."""
VALUES = {"defaults": {}, "example": render.example(), "all": ALL}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_version_takes_every_object(values: dict[str, Any], version: str) -> None:
    for document in documents(values):
        if document["kind"] not in FOREIGN:
            taken(document, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_helm_finds_nothing_wrong(version: str) -> None:
    report = helm_python.lint(str(render.CHART), strict=True, kube_version=f"v{version}.0")
    assert not report["errors"]
    assert [each["error"] for each in report["messages"]] == ["icon is recommended"]


def test_the_plain_manifests_are_the_chart() -> None:
    assert render.PLACE.read_text(encoding="utf-8") == render.text(), "run: python deploy/render.py"
    plain = [document for document in yaml.safe_load_all(render.PLACE.read_text(encoding="utf-8")) if document]
    assert plain == documents(render.example())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"watchNamespace": ["llm"]}, "additional properties 'watchNamespace'"),
        ({"watchNamespaces": []}, "minItems"),
        ({"rights": {"act": "yes"}}, "want boolean"),
        ({"store": {"url": "postgresql://me:secret@db/leadtime"}}, "does not match pattern"),
        ({"daemon": {"replicas": 2}}, "give a PostgreSQL URL"),
        ({"agents": {"caSecret": {"name": "agents-tls"}}}, "agents.tokenSecret is not"),
        ({"rights": {"taintNodes": True}}, "a node that is not read is not tainted"),
    ],
)
def test_a_mistake_in_the_values_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm_python.HelmError, match=said):
        documents(values)


def test_every_value_has_a_schema_and_no_schema_is_without_a_value() -> None:
    values = yaml.safe_load((render.CHART / "values.yaml").read_text())
    schema = yaml.safe_load((render.CHART / "values.schema.json").read_text())["properties"]
    assert set(values) == set(schema) - {"global"}
    for key, node in schema.items():
        if "properties" in node:
            assert set(values[key]) == set(node["properties"]), key


def test_the_daemon_reads_the_fleet_file(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(find(documents(render.example()), "ConfigMap")[0]["data"]["fleet.yaml"])
    settings = load(file)
    assert settings.services[0].policy.mode == "shadow" and settings.api.host == "0.0.0.0"
    assert settings.api.auth is not None and settings.api.auth.anonymous == "nothing"
    cluster = settings.fleet.kubernetes
    assert settings.fleet.kind == "kubernetes" and cluster is not None
    assert (cluster.namespaces, cluster.lease, cluster.gitops, cluster.nodes) == (
        ["llm"],
        "leadtime-daemon",
        True,
        True,
    )


def test_what_the_operator_says_of_the_fleet_wins() -> None:
    values = {"config": {"fleet": {"kubernetes": {"lease": "mine"}}, "api": {"port": 8800}}}
    fleet = yaml.safe_load(find(documents(values), "ConfigMap")[0]["data"]["fleet.yaml"])["fleet"]
    assert fleet == {
        "kind": "kubernetes",
        "kubernetes": {"namespaces": ["llm"], "lease": "mine", "gitops": True, "nodes": False},
    }


@pytest.mark.parametrize("values", [{}, {"router": {"enabled": True}}], ids=["defaults", "router"])
def test_every_pod_runs_a_command_that_there_is(values: dict[str, Any]) -> None:
    commands = {command.name for command in app.registered_commands}
    for component, pod in pods(documents(values)).items():
        assert pod["spec"]["containers"][0]["args"][0] in commands, component


@pytest.mark.parametrize("component", ["daemon", "console", "router", "externalscaler"])
def test_every_pod_is_confined_and_watched(component: str) -> None:
    pod = pods(documents(ALL))[component]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] and pod["enableServiceLinks"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"readinessProbe", "livenessProbe"} <= set(container)
    assert "memory" in container["resources"]["limits"] and "cpu" in container["resources"]["requests"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert container["workingDir"] in writable and "/tmp" in writable
    assert {volume["name"] for volume in pod["volumes"]} == {mount["name"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("component", ["daemon", "console", "router", "externalscaler"])
def test_services_budgets_and_policies_select_their_pods(component: str) -> None:
    made = documents(ALL)
    labels = pods(made)[component]["metadata"]["labels"].items()
    service = find(made, "Service", component)[0]["spec"]
    names = {port["name"] for port in pods(made)[component]["spec"]["containers"][0]["ports"]}
    assert service["selector"].items() <= labels and {port["targetPort"] for port in service["ports"]} <= names
    assert find(made, "PodDisruptionBudget", component)[0]["spec"]["selector"]["matchLabels"].items() <= labels
    policy = find(made, "NetworkPolicy", component)[0]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} <= names


@pytest.mark.parametrize("component", ["router", "externalscaler"])
def test_who_asks_the_api_has_a_token_from_a_secret(component: str) -> None:
    environment = pods(documents(ALL))[component]["spec"]["containers"][0]["env"]
    shown = next(each for each in environment if each["name"] == "LEADTIME_TOKEN")
    assert shown["valueFrom"]["secretKeyRef"] == {"name": "token", "key": "token"}


def test_the_console_has_no_credential_of_its_own() -> None:
    environment = pods(documents(ALL))["console"]["spec"]["containers"][0]["env"]
    assert not [each for each in environment if each["name"].startswith("LEADTIME_TOKEN")]


def test_a_password_is_in_the_environment_and_nowhere_else() -> None:
    made = documents(ALL)
    environment = pods(made)["daemon"]["spec"]["containers"][0]["env"]
    secret = next(each for each in environment if each["name"] == "PGPASSWORD")
    assert secret["valueFrom"]["secretKeyRef"] == {"name": "db", "key": "password"}
    assert not find(made, "PersistentVolumeClaim") and not find(made, "Secret")


def test_sqlite_has_one_writer_and_a_volume_that_is_kept() -> None:
    made = documents({})
    assert find(made, "Deployment", "daemon")[0]["spec"]["strategy"] == {"type": "Recreate"}
    claim = find(made, "PersistentVolumeClaim")[0]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_change_of_the_fleet_file_restarts_the_daemon() -> None:
    before, after = (pods(documents({"config": {"source": {"interval_s": s}}}))["daemon"] for s in (15, 30))
    assert before["metadata"]["annotations"] != after["metadata"]["annotations"]


def test_prometheus_finds_our_pages() -> None:
    made = documents(ALL)
    monitors = find(made, "ServiceMonitor")
    assert [each["metadata"]["name"] for each in monitors] == ["leadtime-daemon", "leadtime-router"]
    for monitor in monitors:
        service = find(made, "Service", monitor["metadata"]["name"])[0]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
        assert monitor["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("component", ["daemon", "router"])
def test_who_asks_agents_has_their_token_as_a_file_and_nobody_else(component: str) -> None:
    made = documents(ALL)
    (container,) = pods(made)[component]["spec"]["containers"]
    fleet = yaml.safe_load(find(made, "ConfigMap")[0]["data"]["fleet.yaml"])["fleet"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert Path(fleet["token_file"]).parent == Path(mounts["agents"])
    assert not any("agents" in str(pods(made)[other]["spec"]["volumes"]) for other in ("console", "externalscaler"))
    assert "agents" not in str(pods(documents({"router": {"enabled": True}}))[component]["spec"]["volumes"])


@pytest.mark.parametrize("component", ["daemon", "router"])
def test_who_asks_agents_by_https_has_their_authority(component: str) -> None:
    pod = pods(documents(ALL))[component]["spec"]
    fleet = yaml.safe_load(find(documents(ALL), "ConfigMap")[0]["data"]["fleet.yaml"])["fleet"]
    volume = next(volume for volume in pod["volumes"] if volume["name"] == "agents")
    files = {
        item["path"]: each["secret"]["name"]
        for each in volume["projected"]["sources"]
        for item in each["secret"]["items"]
    }
    assert files == {"token": "leadtime-agent", Path(fleet["ca_file"]).name: "agents-tls"}
    assert "ca_file" not in str(documents({"agents": {"tokenSecret": {"name": "leadtime-agent"}}}))


def test_prometheus_asks_agents_by_https_under_the_names_of_their_certificate() -> None:
    def endpoint(values: dict[str, Any]) -> dict[str, Any]:
        return dict(find(documents(values), "PodMonitor", "-agents")[0]["spec"]["podMetricsEndpoints"][0])

    asked = endpoint(ALL)
    assert (asked["scheme"], asked["tlsConfig"]["ca"]["secret"]["name"]) == ("https", "agents-tls")
    (renamed,) = [each for each in asked["relabelings"] if each["targetLabel"] == "__address__"]
    pod = of("StatefulSet", SAFE)["spec"]["template"]
    told = ["agents-0", pod["metadata"]["labels"]["app.kubernetes.io/name"], "llm", "8900"]
    name = re.sub(renamed["regex"], renamed["replacement"].replace("$", "\\"), ";".join(told))
    assert name == "agents-0.leadtime-agents.llm.svc:8900"
    plain = endpoint(ALL | {"agents": {"tokenSecret": {"name": "leadtime-agent"}}})
    assert plain["authorization"]["credentials"] == {"name": "leadtime-agent", "key": "token"}
    apart = endpoint(ALL | {"agents": {"tokenSecret": {"name": "leadtime-agent", "scrapeKey": "one"}}})
    assert apart["authorization"]["credentials"]["key"] == "one"
    assert "scheme" not in plain and "__address__" not in str(plain)


def test_agents_are_reached_by_daemon_router_and_prometheus_alone() -> None:
    """At their own port and at those that their engines may take."""
    policies = find(documents(ALL), "NetworkPolicy", "-agents")
    assert {each["metadata"]["namespace"] for each in policies} == {"llm", "search"}
    pod = of("StatefulSet")["spec"]["template"]
    assert set(policies[0]["spec"]["podSelector"]["matchExpressions"][0].values()) == {AGENT_LABEL, "Exists"}
    assert AGENT_LABEL in pod["metadata"]["labels"]
    (rule,) = policies[0]["spec"]["ingress"]
    ports = pod["spec"]["containers"][0]["ports"]
    assert rule["ports"] == [{"port": ports[0]["name"]}, {"port": ENGINE_PORTS[0], "endPort": ENGINE_PORTS[1]}]
    ours = pods(documents(ALL))
    labels = rule["from"][0]["podSelector"]["matchLabels"].items()
    components = rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]
    assert components == ["daemon", "router"] and all(
        labels <= ours[c]["metadata"]["labels"].items() for c in components
    )
    assert not find(documents({}), "NetworkPolicy", "-agents")


def test_engines_are_closed_to_others_only_where_that_is_asked_for() -> None:
    assert not find(documents({}), "NetworkPolicy", "-engines")
    policy = find(documents(ALL), "NetworkPolicy", "-engines")[0]["spec"]
    asked, own = policy["ingress"]
    assert asked["ports"] == [{"port": "http"}] and {"podSelector": {"matchLabels": {"app": "web"}}} in asked["from"]
    assert own["from"][0]["podSelector"] == policy["podSelector"]


def test_another_release_has_names_of_its_own() -> None:
    first, second = documents({}), documents({}, name="blue", namespace="ops")
    names = [{(each["kind"], each["metadata"]["name"]) for each in made} for made in (first, second)]
    assert not names[0] & names[1]
    assert {each["metadata"]["namespace"] for each in second} == {"ops", "llm"}


def test_the_chart_and_the_package_have_one_version() -> None:
    chart = yaml.safe_load((render.CHART / "Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()


def test_the_example_would_not_load_with_a_wrong_policy() -> None:
    config = render.example()["config"]
    with pytest.raises(ValidationError):
        Settings.model_validate(config | {"services": [{"name": "chat", "pools": []}]})
