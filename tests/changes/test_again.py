"""A cluster is destroyed and deployed again, over the bucket that stayed: its images are still there.

By the CDK's own command line against the rehearsal's AWS, which goes on meanwhile, as AWS does.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from swarmer.local import environment, host, node_containers
from swarmer.local.cdk import QUIET
from swarmer.providers.rehearsal import cloud
from tests.changes.description import EVERYTHING, Described
from tests.rehearsal.conftest import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


@pytest.fixture
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    made = Described(
        tmp_path_factory.mktemp("again") / "servers.yml",
        {"core": {"roles": EVERYTHING, "size": 1}},
        name="again",
        network={"cidr": "10.44.0.0/16", "vpn_cidr": "10.45.0.0/22", "zones": 1},
    )
    try:
        made.become()
        yield made
    finally:
        made.swarmer("down")


def cdk(cluster: Described, verb: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run `cdk` like an operator, with the cluster's own app."""
    env = cluster.env
    app = f"{host.BIN}/python app.py"
    return subprocess.run(
        [str(host.CDK), verb, "--app", app, "--context", f"servers={cluster.path}", *argv],
        cwd=environment.ROOT,
        env=host.node_environment(environment.aws_environment(env.aws_url) | QUIET)
        | {"CDK_OUTDIR": str(env.state / "again.out")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_cluster_that_is_made_again_has_the_images_of_the_one_that_was_destroyed(again: Described) -> None:
    image = again.push("kept")
    bucket, objects = again.bucket()
    founded = cloud.cluster_id(again.env)
    assert objects

    gone = cdk(again, "destroy", "--all", "--force")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    until(
        lambda: not node_containers.containers(again.env),
        within_s=30,
        what="a machine without an instance",
    )
    assert "there is no stack again-cluster in " in again.swarmer("status").stderr
    reasons = [each["reason"] for each in again.told("-deregister-node") if each.get("message") == "removed"]
    assert reasons == ["the cluster is being deleted"]

    again.more["registry"] = {"bucket": bucket}
    again.write()
    refused = cdk(again, "deploy", "again-registry", "--require-approval", "never")
    assert refused.returncode
    assert f"{bucket} already exists" in refused.stdout + refused.stderr

    again.become()
    assert again.bucket() == (bucket, objects)
    assert cloud.cluster_id(again.env) != founded, "it is another Swarm"
    assert "Downloaded newer image" in again.docker("pull", image)


def test_it_is_made_again_by_the_command_that_the_readme_says(again: Described) -> None:
    again.push("kept")
    bucket, objects = again.bucket()
    assert cdk(again, "destroy", "--all", "--force").returncode == 0
    again.more["registry"] = {"bucket": bucket}
    again.write()
    done = cdk(again, "deploy", "--all", "--import-existing-resources", "--require-approval", "never")
    assert done.returncode == 0, done.stdout + done.stderr
    assert again.bucket() == (bucket, objects)
