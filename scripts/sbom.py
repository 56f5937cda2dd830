"""Prints the parts of the wheel as CycloneDX 1.5: every crate that is compiled into the extension module.

Usage: sbom.py [--target TRIPLE]     (the default is the machine that asks)

The list depends on the lock file and the target alone: no times, no random numbers and no folders of the machine that
built the wheel, so two builds of one commit carry the same bytes.
"""

import argparse
import json
import re
import subprocess
import uuid
from pathlib import Path
from typing import Any, Dict, List

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "velaria-python"

# What the identifiers of our lists are derived in.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "pkg:pypi/velaria")


def output(*argv: str) -> str:
    return subprocess.run(argv, cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def host() -> str:
    found = re.search(r"^host: (.+)$", output("rustc", "-vV"), re.MULTILINE)
    if not found:
        raise SystemExit("sbom: rustc does not name its host")
    return found[1]


def checksums() -> Dict[str, str]:
    """The SHA-256 of each crate of the registry, by name and version."""
    text = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
    pattern = r'^name = "(.+)"\nversion = "(.+)"\n(?:source = ".+"\n)?checksum = "(.+)"$'
    return {"{}@{}".format(name, version): checksum for name, version, checksum in re.findall(pattern, text, re.MULTILINE)}


def label(package: Dict[str, Any]) -> str:
    return "{}@{}".format(package["name"], package["version"])


def is_compiled_in(package: Dict[str, Any]) -> bool:
    """Macros run in the compiler, and nothing of them or of what they use reaches the module."""
    return not any("proc-macro" in target["kind"] for target in package["targets"])


class Graph:
    """The crates below the extension, and the edges between them."""

    def __init__(self, target: str) -> None:
        arguments = ("--format-version", "1", "--locked", "--filter-platform", target)
        metadata = json.loads(output("cargo", "metadata", *arguments))
        self.packages: Dict[str, Dict[str, Any]] = {package["id"]: package for package in metadata["packages"]}
        self.nodes: Dict[str, Dict[str, Any]] = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        self.edges: Dict[str, List[str]] = {}
        self.visit(next(key for key, package in self.packages.items() if package["name"] == PACKAGE))

    def visit(self, root: str) -> None:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node in self.edges:
                continue
            needed = [edge["pkg"] for edge in self.nodes[node]["deps"] if any(kind["kind"] is None for kind in edge["dep_kinds"])]
            self.edges[node] = [package for package in needed if is_compiled_in(self.packages[package])]
            waiting += self.edges[node]


def component(package: Dict[str, Any], hashes: Dict[str, str]) -> Dict[str, Any]:
    reference = "pkg:cargo/{}".format(label(package))
    part: Dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": package["name"],
        "version": package["version"],
        "purl": reference,
    }
    if package.get("license"):
        # Old manifests separate choices by a slash.
        part["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    checksum = hashes.get(label(package))
    if checksum:
        part["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return part


def document(target: str) -> Dict[str, Any]:
    graph = Graph(target)
    hashes = checksums()
    packages = sorted((graph.packages[node] for node in graph.edges), key=label)
    parts = [component(package, hashes) for package in packages]
    version = next(package["version"] for package in packages if package["name"] == PACKAGE)
    wheel = "pkg:pypi/velaria@{}".format(version)
    dependencies = {
        "pkg:cargo/" + label(graph.packages[node]): sorted("pkg:cargo/" + label(graph.packages[edge]) for edge in edges)
        for node, edges in graph.edges.items()
    }
    dependencies[wheel] = ["pkg:cargo/{}@{}".format(PACKAGE, version)]
    content = {
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": wheel,
                "name": "velaria",
                "version": version,
                "purl": wheel,
                "licenses": [{"expression": "Apache-2.0"}],
            },
            "properties": [{"name": "velaria:target", "value": target}],
        },
        "components": parts,
        "dependencies": [{"ref": ref, "dependsOn": needed} for ref, needed in sorted(dependencies.items())],
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": serial.urn, "version": 1, **content}


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints the parts of the wheel as CycloneDX 1.5.")
    parser.add_argument("--target", default=None, help="the target triple")
    target: str = parser.parse_args().target or host()
    print(json.dumps(document(target), indent=1))


if __name__ == "__main__":
    main()
