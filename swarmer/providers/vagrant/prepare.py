"""Preparations for Vagrant's machines: folders and seeds; for containers also the image and the network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from swarmer.adapters import volume
from swarmer.core.machines import Addressing, Machine, Seed, machines, seed
from swarmer.local import environment, host, node_containers, node_image, seeds
from swarmer.local.environment import Environment
from swarmer.local.progress import Display
from swarmer.providers.vagrant import plan


def prepare(env: Environment, provider: str, display: Display) -> None:
    """Prepare everything that PROVIDER's machines need. Idempotent. Raises UserError, process.Failed."""
    (plan.cluster_folder(env) / "images").mkdir(parents=True, exist_ok=True)
    for each in machines(env.cluster):
        seeds.write(plan.seed_folder(env, each, provider), _seed(env, each, provider))
    if provider == plan.DOCKER:
        _prepare_engine(env, display)
    else:
        _write_volumes(env, provider, display)


def _seed(env: Environment, each: Machine, provider: str) -> Seed:
    return seed(
        env.cluster,
        each,
        software=seeds.carried(),
        share=plan.share(env, provider),
        # Vagrant or Docker gives the machine its address.
        addressing=Addressing(is_disabled=True),
    )


def _prepare_engine(env: Environment, display: Display) -> None:
    host.ensure_engine()
    if not node_image.exists(node_image.tag()):
        with display.step("image", "Node image") as report:
            if not node_image.exists(node_image.base_tag()):
                host.ensure_packages(("mmdebstrap", "mmdebstrap"))
            report(f"={node_image.ensure_image(environment.CACHE, report)}")
    node_containers.create_network(env, plan.network(env), plan.LABEL)


def _write_volumes(env: Environment, provider: str, display: Display) -> None:
    if volume.tool() is None:
        host.ensure_packages((volume.PACKAGE, volume.PACKAGE))
    with display.step("seeds", "Seeds"), ThreadPoolExecutor() as pool:
        archive = plan.STATE / "software.zip"
        seeds.write_software(archive)
        # A machine keeps the volume in its drive, so the volume is not replaced.
        wanted = [each for each in machines(env.cluster) if each not in plan.created(env)]
        folders = [plan.seed_folder(env, each, provider) for each in wanted]
        list(pool.map(lambda folder: seeds.write_volume(folder, archive), folders))
