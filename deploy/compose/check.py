"""Holds a compose file to what podman-compose makes of it, and to our own rules. Called by deploy/check,
with the Python that podman-compose has its YAML for.

    check.py PODMAN_COMPOSE FILE
"""

import subprocess
import sys

import yaml

PROGRAM, FILE = sys.argv[1:]
told = subprocess.run([PROGRAM, "--file", FILE, "config"], capture_output=True, text=True)
if told.returncode != 0:
    sys.exit(told.stderr[-800:])
config = yaml.safe_load(told.stdout)
secrets, networks, volumes = (config.get(kind) or {} for kind in ("secrets", "networks", "volumes"))
problems = []
for name, service in config["services"].items():
    for secret in service.get("secrets", []):
        if secret not in secrets:
            problems.append(f"{name}: the secret {secret} is not declared")
    for network in service.get("networks") or []:
        if network not in networks:
            problems.append(f"{name}: the network {network} is not declared")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0] if isinstance(volume, str) else volume.get("source", "")
        if "/" not in source and source not in volumes:
            problems.append(f"{name}: the volume {source} is not declared")
    if "postgres" in service["image"] or "pgbouncer" in service["image"]:
        if service.get("ports"):
            problems.append(f"{name}: a database is published")
    elif service["image"].startswith("site:"):
        if not (service.get("read_only") and service.get("cap_drop") == ["ALL"]):
            problems.append(f"{name}: it is not shut")
    environment = service.get("environment") or {}
    for key in environment:
        if ("PASSWORD" in key or "SECRET" in key) and not key.endswith("_FILE"):
            problems.append(f"{name}: {key} is a secret and no file")
if problems:
    sys.exit("; ".join(problems))
print(f"{len(config['services'])} services")
