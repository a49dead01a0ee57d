"""First boot of a stock machine while its sources fail: apt's mirror, the metadata service, S3.

The machine has Debian's packages and Consul, but no node software. The user-data is that of AWS.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaos import mirror
from chaos.disturbances import did_not_happen
from chaos.lab import AWS_PORT, Node, docker, until
from chaos.mirror import Mirror
from chaos.new_image import NewImage, cluster_of
from chaos.simulated_aws import disturb, happened, last_number, leave_in_peace, person
from swarmer.adapters import pip
from swarmer.core import names

STOCK: Final = "swarmer/stock-node"
FAILS_S: Final = 60.0
"""Time for which each of the three fails, from its first request, in seconds."""
LAUNCH_S: Final = 60.0
GATEWAY: Final = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
DOCKERFILE: Final = f"""FROM @IMAGE@
COPY boto3 {mirror.BOTO3}
RUN rm -rf {names.INSTALL_ROOT} /etc/apt/sources.list /etc/apt/sources.list.d \\
 && mkdir /etc/apt/sources.list.d \\
 && echo "deb [trusted=yes] @MIRROR@ ./" > /etc/apt/sources.list.d/stock.list \\
 && ln -s /bin/true /usr/bin/amazon-ssm-agent
"""
"""Dockerfile of the image. It pretends that Session Manager's agent is installed, because its URL is not
rehearsed."""
CALLS: Final = (
    {"call": "imds:*", "error": "ServiceUnavailable", "times": 10_000, "seconds": FAILS_S},
    {"call": "s3:GetObject", "error": "ServiceUnavailable", "times": 10_000, "seconds": FAILS_S},
)


@dataclass
class FirstBoot:
    """Replacement of a worker by a stock machine, and the proof that each of the three failed."""

    image: NewImage = field(default_factory=lambda: NewImage(STOCK))
    mirror: Mirror | None = None
    folder: Path | None = None
    last: int | None = None
    """Number of the last entry of the rehearsal's log before the fault; None if it did not begin."""

    def begin(self, nodes: list[Node]) -> None:
        """Terminate the last node; a stock machine replaces it. Raises Failure."""
        worker = nodes[-1]
        cluster = cluster_of(worker)
        own, asg = self.image.find(cluster), names.group_asg_name(cluster, worker.group)
        gateway = docker("inspect", "-f", GATEWAY, worker.container).strip()
        self._make_image(own, gateway)
        self.last = last_number()
        self.image.use()
        before = _instances(asg)
        worker.terminate()
        until(lambda: _instances(asg) > before, LAUNCH_S, "no replacement was launched")
        (instance,) = _instances(asg) - before
        for fault in CALLS:
            disturb(**fault, caller=instance)

    def _make_image(self, own: str, gateway: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        mirror.build(self.folder, f"http://{gateway}:{AWS_PORT}")
        self.mirror = Mirror(self.folder / "served", gateway, FAILS_S)
        recipe = DOCKERFILE.replace("@IMAGE@", own).replace("@MIRROR@", self.mirror.start())
        context = self.folder / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(recipe)
        for wheel in pip.ensure_node_wheels().glob("*.whl"):
            shutil.unpack_archive(wheel, context / "boto3", "zip")
        docker("build", "-q", "--network", "none", "-t", STOCK, str(context), timeout_s=300)

    def lacks(self) -> list[str]:
        """Requested faults that did not happen."""
        refused, answered = (self.mirror.refused, self.mirror.answered) if self.mirror else (0, 0)
        found = [] if refused else ["no request to apt's mirror failed"]
        found += [] if answered else ["apt's mirror answered no request"]
        return found + did_not_happen(CALLS, [] if self.last is None else happened(self.last))

    def put_back(self, _: object) -> None:
        """End the faults, and make new machines from the cluster's own image again. Raises Failure."""
        leave_in_peace()
        self.image.put_back()
        if self.mirror:
            self.mirror.stop()
        if self.folder:
            shutil.rmtree(self.folder)
            self.folder = None


def _instances(asg: str) -> set[str]:
    """IDs of all instances of the group in AWS's list."""
    launched = [{"Name": "tag:aws:autoscaling:groupName", "Values": [asg]}]
    pages: list[dict[str, Any]] = person("ec2").describe_instances(Filters=launched)["Reservations"]
    return {each["InstanceId"] for page in pages for each in page["Instances"]}
