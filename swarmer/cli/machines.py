"""Commands about machines outside AWS: `cloud-init`, and the commands of the Vagrantfile."""

from __future__ import annotations

import json
import re
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import click
from rich.console import Console as Terminal

from swarmer.adapters import volume
from swarmer.cli.common import load, servers_option
from swarmer.cli.completion import complete_groups
from swarmer.cli.exit_statuses import epilog
from swarmer.cli.progress import working
from swarmer.cli.tables import status_table
from swarmer.core import user_data
from swarmer.core.cluster import Cluster
from swarmer.core.errors import UserError
from swarmer.core.health import Status
from swarmer.core.machines import SOFTWARE_FILE, Addressing, Machine, machines, seed
from swarmer.core.user_data import AnySoftware, Share
from swarmer.local import host, seeds
from swarmer.local.progress import Display
from swarmer.providers.vagrant import cleanup, plan
from swarmer.providers.vagrant import prepare as preparing
from swarmer.providers.vagrant import status as cluster_status


@click.command("cloud-init")
@servers_option
@click.argument("group", shell_complete=complete_groups)
@click.argument("index", type=click.IntRange(min=1))
@click.option("-o", "--output", help="Folder for the files [GROUP-INDEX].")
@click.option("--address", help="Address of the machine, in network.cidr [that of `swarmer machines`].")
@click.option("--server", multiple=True, help="Address of a Consul server; repeat it for each server.")
@click.option("--share", help="Folder of all machines: HOST:/PATH of an NFS, virtiofs:TAG, or `mounted`.")
@click.option("--gateway", help="Gateway of a fixed address, instead of DHCP; needs --interface.")
@click.option("--nameserver", multiple=True, help="Address of a DNS server; needs --interface; repeatable.")
@click.option("--interface", default="", help="Name of the network interface [the first one, by DHCP].")
@click.option("--zone", default="", help="Zone of the machine: a rack or a room that can fail as a whole.")
@click.option("--software", help="URL from which the machine fetches software.zip [the volume carries it].")
@click.option(
    "--volume",
    "as_volume",
    is_flag=True,
    help="Also write all files as seed.iso, labelled cidata.",
)
def cloud_init(
    servers: str,
    group: str,
    index: int,
    output: str | None,
    address: str | None,
    server: tuple[str, ...],
    share: str | None,
    gateway: str | None,
    nameserver: tuple[str, ...],
    interface: str,
    zone: str,
    software: str | None,
    as_volume: bool,
) -> None:
    """Write the cloud-init files of node INDEX of GROUP, for any machine.

    The files are user-data, meta-data, network-config and software.zip.
    """
    cluster = load(servers).cluster
    one = _find_machine(cluster, group, index, address)
    for text in nameserver:
        _check_address(text, "--nameserver")
    for text, option in ((zone, "--zone"), (interface, "--interface")):
        if not re.fullmatch(r"[A-Za-z0-9._-]*", text):
            raise UserError(f"{option}: {text!r} is no name; take letters, digits, '.', '_' and '-'")
    for text in server:
        _check_host(cluster, text, "--server")
    addressing = Addressing(gateway=gateway or "", nameservers=nameserver, interface=interface)
    _check_addressing(addressing, cluster, one)
    shared, url = _parse_share(cluster, share), _parse_url(software)
    folder = Path(output or one.name)
    if as_volume and volume.tool() is None:
        with working(f"installs {volume.PACKAGE}"):
            host.ensure_packages((volume.PACKAGE, volume.PACKAGE))
    try:
        digest = seeds.write_software(folder / SOFTWARE_FILE)
        source: AnySoftware = seeds.downloaded(url, digest) if url else seeds.carried()
        content = seed(
            cluster, one, software=source, share=shared, addressing=addressing, peers=server, zone=zone
        )
        seeds.write(folder, content)
    except OSError as exc:
        raise UserError(f"{folder} cannot be written: {exc.strerror or exc}", status=1) from exc
    written = [*content.files, SOFTWARE_FILE]
    if as_volume:
        seeds.write_volume(folder, folder / SOFTWARE_FILE)
        written.append(seeds.VOLUME)
    click.echo(f"{folder}: {', '.join(written)} for {one.name}, {one.address}")


def _find_machine(cluster: Cluster, group: str, index: int, address: str | None) -> Machine:
    known = {each.name: each for each in cluster.groups}
    if group not in known:
        raise UserError(f"no group is called {group!r}; the groups of {cluster.name}: {', '.join(known)}")
    found = [each for each in machines(cluster) if each.group.name == group]
    if index > len(found):
        raise UserError(f"{group} has {len(found)} nodes at most, not {index}: take 1 to {len(found)}")
    if address is None:
        return found[index - 1]
    _check_host(cluster, address, "--address")
    return Machine(group=known[group], index=index, address=address)


def _check_addressing(addressing: Addressing, cluster: Cluster, one: Machine) -> None:
    """Check that the machine fits the cluster. Raises UserError."""
    if (addressing.gateway or addressing.nameservers) and not addressing.interface:
        raise UserError("--interface is missing: --gateway and --nameserver need its name, for example eno1")
    if addressing.gateway:
        _check_host(cluster, addressing.gateway, "--gateway")
    if addressing.gateway == one.address:
        raise UserError(f"--gateway: {one.address} is {one.name} itself; name the router's address")


def _check_address(text: str, option: str) -> None:
    try:
        IPv4Address(text)
    except ValueError:
        raise UserError(f"{option}: {text!r} is no IPv4 address; write one like 10.42.0.10") from None


def _check_host(cluster: Cluster, address: str, option: str) -> None:
    """Check a host address. Raises UserError if it is not usable in the cluster's network."""
    _check_address(address, option)
    network = IPv4Network(cluster.network.cidr)
    if IPv4Address(address) not in network:
        raise UserError(f"{option}: {address} is outside network.cidr, {network}; take one in it")
    if IPv4Address(address) in (network.network_address, network.broadcast_address):
        raise UserError(
            f"{option}: {address} is no host's address in {network}; take {network[1]} to {network[-2]}"
        )


def _parse_share(cluster: Cluster, text: str | None) -> Share:
    voting = max(cluster.consul_servers, cluster.swarm_managers)
    if text is None and voting > 1:
        raise UserError(
            f"--share is missing: {voting} nodes of {cluster.name} share its images and its cluster ID; "
            "write HOST:/PATH of an NFS, virtiofs:TAG, or `mounted` where the machine brings it along"
        )
    if text is None:
        return Share()
    if text == user_data.MOUNTED:
        return Share(kind=user_data.MOUNTED)
    if user_data.is_share_source(text):
        kind, _, tag = text.partition(":")
        if kind == user_data.VIRTIOFS and tag:
            return Share(kind=user_data.VIRTIOFS, source=tag)
        if ":/" in text and not text.startswith(":"):
            return Share(kind=user_data.NFS, source=text)
    raise UserError(f"--share: {text!r} is no share; write HOST:/PATH, virtiofs:TAG, or `mounted`")


def _parse_url(text: str | None) -> str | None:
    if text is None:
        return None
    is_one = re.match("https?://[^/?#]", text) and text.isprintable() and text.isascii()
    if not is_one or set(text) & set(" \"'$`\\"):
        raise UserError(f"--software: {text!r} is no URL; write one like https://example.com/software.zip")
    return text


@click.command("machines")
@servers_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def machines_(servers: str, as_json: bool) -> None:
    """List the machines of servers.yml, for use without AWS."""
    found = machines(load(servers).cluster)
    if as_json:
        rows = [
            {
                "name": each.name,
                "group": each.group.name,
                "roles": sorted(each.group.roles),
                "address": each.address,
                "memory": each.group.memory,
                "cpus": each.group.cpus,
                "wanted": each.is_wanted,
            }
            for each in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(each.name) for each in found)
    for each in found:
        size = f"{each.group.memory} MiB, {each.group.cpus} cpus"
        note = "" if each.is_wanted else "  only if asked for"
        roles = " ".join(sorted(each.group.roles))
        click.echo(f"{each.name:<{width}}  {each.address:<15}  {size}  {roles}{note}")


@click.group()
def vagrant() -> None:
    """Show the state of Vagrant's machines; the Vagrantfile uses the other commands."""


@vagrant.command("plan", hidden=True)
@servers_option
def plan_(servers: str) -> None:
    """Print the machines for the Vagrantfile, as JSON."""
    click.echo(json.dumps(plan.to_json(load(servers))))


@vagrant.command(hidden=True)
@servers_option
@click.argument("provider")
def prepare(servers: str, provider: str) -> None:
    """Prepare everything that PROVIDER needs before it makes a machine."""
    preparing.prepare(load(servers), provider, Display())


@vagrant.command(hidden=True)
@servers_option
@click.argument("name")
def forget(servers: str, name: str) -> None:
    """Remove NAME from its cluster, after it was destroyed."""
    click.echo(cleanup.remove_machine(load(servers), name))


@vagrant.command(epilog=epilog("vagrant status"))
@servers_option
@click.option("--wait", "within_s", default=0.0, help="Seconds to wait until the cluster is validated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def status(servers: str, within_s: float, as_json: bool) -> None:
    """Show Vagrant's machines and check them as one cluster."""
    env = load(servers)
    if within_s:
        with Display().step("validate", f"{env.cluster.name} is validated") as report:
            found = cluster_status.wait(env, within_s, report)
    else:
        with working(f"observes {env.cluster.name}"), cluster_status.observer(env) as observer:
            found = cluster_status.observe(env, observer)
    _show(found, as_json)
    if not found.validated:
        sys.exit(1)


def _show(found: Status, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    Terminal(highlight=False, width=None if sys.stdout.isatty() else 160).print(status_table(found))
    for problem in found.problems:
        click.echo(f"  {problem}", err=True)


COMMANDS = (cloud_init, machines_, vagrant)
