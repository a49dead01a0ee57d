"""`swarmer dns-proxy`: the image of dns-proxy-compose.yml."""

from __future__ import annotations

import click

from swarmer.cli.progress import working
from swarmer.local import dns_proxy as images


@click.command("dns-proxy")
def dns_proxy() -> None:
    """Build the image of dns-proxy-compose.yml, the DNS forwarder.

    Use it on machines whose DNS ./setup.sh cannot configure.
    """
    with working("makes an image of Debian's dnsmasq"):
        name = images.make_image()
    click.echo(f"{name} is made: ./setup.sh shows how to start it")


COMMANDS = (dns_proxy,)
