"""The environment that Cloud Run would give the container of a job's YAML: NAME=value, one a line.

With IMAGE as argument the image instead.
"""

import sys

import yaml

job = yaml.safe_load(sys.stdin)
(container,) = job["spec"]["template"]["spec"]["template"]["spec"]["containers"]
if sys.argv[1:] == ["IMAGE"]:
    print(container["image"])
else:
    for one in container["env"]:
        print(f"{one['name']}={one['value']}")
