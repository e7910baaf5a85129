"""Lints the Containerfile and the chart, renders the chart in the ways it can be set, and checks each manifest strictly
against the schemas of Kubernetes. Uses Helm as a library, so it needs neither a cluster nor the command.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy/helm/lianhua"
WARNING = 2
KUBERNETES = ("1.25", "1.31", "1.34")
OPEN = {"allowOpen": True}
REDIS = {"redis": {"existingSecret": "store"}}
WAYS: dict[str, dict[str, Any]] = {
    "embedded": OPEN,
    "embedded, own claim": OPEN | {"persistence": {"existingClaim": "mine", "size": "1Gi", "storageClass": ""}},
    "redis": OPEN | REDIS | {"replicas": 3, "ingress": {"enabled": True, "tlsSecret": "tls", "className": "nginx"}},
    "redis by its address": OPEN | {"redis": {"url": "redis://store:6379"}, "metrics": {"enabled": False}},
    "settings": OPEN | {"settings": {"LIANHUA_WORKERS": 2, "LIANHUA_TITLES": "message"}, "existingSecret": "keys"},
}
REFUSED: dict[str, dict[str, Any]] = {
    "nobody would have to log in": {},
    "the embedded store has one owner": OPEN | {"replicas": 2},
    "turns need 30 s": OPEN | {"terminationGracePeriodSeconds": 31},
    "propertyNames": OPEN | {"settings": {"PATH": "x"}},
}


def main() -> int:
    subprocess.run([Path(sys.executable).with_name("hadolint"), ROOT / "Containerfile"], check=True)
    report = helm_python.lint(str(CHART), OPEN, strict=True)
    print(f"lint: {report}")
    if any(message["severity"] >= WARNING for message in report["messages"]):
        return 1
    with helm_python.Chart.load(str(CHART)) as chart:
        for way, values in WAYS.items():
            kinds = [check(manifest) for manifest in rendered(chart, values)]
            print(f"{way}: {', '.join(kinds)}")
        for words, values in REFUSED.items():
            try:
                chart.render(values, name="demo", namespace="chat")
            except helm_python.HelmError as exc:
                if words in str(exc) or words == "propertyNames":
                    print(f"refused as it should be: {str(exc).splitlines()[-1][-120:]}")
                    continue
                raise
            print(f"not refused: {values}")
            return 1
    return 0


def rendered(chart: Any, values: dict[str, Any]) -> list[dict[str, Any]]:
    texts = chart.render(values, name="demo", namespace="chat")
    files = (text for name, text in texts.items() if name.endswith(".yaml"))
    documents = (document for text in files for document in yaml.safe_load_all(text))
    return [document for document in documents if document]


def check(manifest: dict[str, Any]) -> str:
    """The kind, where every version takes it; raises where one does not."""
    for version in KUBERNETES:
        kubernetes_validate.validate(manifest, version, strict=True)
    return str(manifest["kind"])


if __name__ == "__main__":
    sys.exit(main())
