"""The chart renders what a cluster of today accepts, refuses what cannot work, and runs as nobody in particular."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HOUSE = Path(__file__).resolve().parents[2]
CHART = HOUSE / "helm"
TOOLS = Path(sys.executable).parent


def tool(name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = str(TOOLS / name) if (TOOLS / name).exists() else shutil.which(name)
    assert command, f"{name} is part of requirements/dev.txt: make install"
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=check, timeout=120)


def rendered(*sets: str) -> list[dict[str, Any]]:
    arguments = [part for value in sets for part in ("--set", value)]
    return [
        d for d in yaml.safe_load_all(tool("helm", "template", "shop", str(CHART), *arguments).stdout) if d
    ]


def of_kind(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == kind)


EVERYTHING = (
    "configuration=sampling_ratio = 1.0",
    "existingSecret=pager",
    "settings.spans_retention_days=14",
    "persistence.existingClaim=old",
    "tls.existingSecret=certificate",
    "tls.clientAuthority=true",
)


def test_the_chart_lints() -> None:
    tool("helm", "lint", "--strict", str(CHART))


@pytest.mark.parametrize("sets", [(), EVERYTHING], ids=["defaults", "everything-set"])
def test_what_it_renders_is_valid_in_strict_mode(sets: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "rendered.yaml"
    path.write_text(yaml.safe_dump_all(rendered(*sets)), encoding="utf-8")
    done = tool("kubernetes-validate", "--strict", str(path), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_strict_validation_would_catch_a_misspelt_field(tmp_path: Path) -> None:
    documents = rendered()
    of_kind(documents, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["securityContest"] = {}
    path = tmp_path / "rendered.yaml"
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    assert tool("kubernetes-validate", "--strict", str(path), check=False).returncode != 0


@pytest.mark.parametrize("setting", ["replicas=2", "service.type=Any", "settings.Upper=1", "unknown=1"])
def test_values_that_cannot_work_are_refused(setting: str) -> None:
    done = tool("helm", "template", "shop", str(CHART), "--set", setting, check=False)
    assert done.returncode != 0


def test_it_runs_one_process_as_nobody_on_a_volume_with_probes() -> None:
    stateful = of_kind(rendered(), "StatefulSet")["spec"]
    pod = stateful["template"]["spec"]
    (container,) = pod["containers"]
    assert stateful["replicas"] == 1
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert {p["containerPort"] for p in container["ports"]} == {4317, 4318, 8080}
    assert stateful["volumeClaimTemplates"][0]["metadata"]["name"] == "data"


def test_services_reach_the_three_ports() -> None:
    ports = {
        port["targetPort"]
        for document in rendered()
        if document["kind"] == "Service"
        for port in document["spec"]["ports"]
    }
    assert ports == {"otlp-grpc", "otlp-http", "api"}


def test_with_a_certificate_the_probes_speak_tls() -> None:
    def probed(*sets: str) -> set[str]:
        (container,) = of_kind(rendered(*sets), "StatefulSet")["spec"]["template"]["spec"]["containers"]
        return {
            container[f"{name}Probe"]["httpGet"]["scheme"] for name in ("startup", "readiness", "liveness")
        }

    assert probed() == {"HTTP"}
    assert probed("tls.existingSecret=certificate") == {"HTTPS"}


def test_a_changed_configuration_restarts_the_pod() -> None:
    sums = {
        of_kind(rendered(*sets), "StatefulSet")["spec"]["template"]["metadata"]["annotations"][
            "checksum/configuration"
        ]
        for sets in ((), ("configuration=a = 1",), ("configuration=a = 2",))
    }
    assert len(sums) == 3


def test_settings_of_the_chart_are_settings_of_the_program() -> None:
    from schemas.settings import Settings

    container = of_kind(rendered(*EVERYTHING), "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    names = {e["name"].removeprefix("AFTERMERGE_").lower() for e in container["env"]}
    assert names <= set(Settings.model_fields)


def test_the_dockerfile_is_clean() -> None:
    done = tool("hadolint", str(HOUSE / "Dockerfile"), check=False)
    assert done.returncode == 0, done.stdout
