"""Picture (SVG) of the cluster that servers.yml describes: zones, groups, nodes, addresses for operators.

Lengths are in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from swarmer.core import names, network_plan
from swarmer.core.cluster import Cluster, Group, Role
from swarmer.core.sections import Egress
from swarmer.core.validation import listed

WIDTH: Final = 1140
"""Width of the picture."""
SIDE: Final = 264
"""Width of the column on the left, outside the VPC."""
MARGIN: Final = 24
"""Space around the picture's content."""
BAND_HEAD: Final = 30
"""Height of the heading of a group's band."""
CARD: Final = 56
"""Height of a node's card. Further cards of the same zone are below it, GAP apart."""
GAP: Final = 10
"""Vertical space between two cards."""
MOST_CARDS: Final = 3
"""Largest number of nodes of one group and zone with a card each; more nodes share one card."""

INK, SOFT, LINE, PAPER = "#0f172a", "#64748b", "#cbd5e1", "#ffffff"
"""Colours of text, of secondary text, of borders and of the background."""
ROLES: Final = {
    Role.CONSUL_SERVER: ("Consul server", "Consul", "#be185d", "#fce7f3"),
    Role.SWARM_MANAGER: ("Swarm manager", "manager", "#1d4ed8", "#dbeafe"),
    Role.SWARM_WORKER: ("Swarm worker", "worker", "#047857", "#d1fae5"),
}
"""Label, short label, colour of the text and colour of the background of each role."""
FONT: Final = "Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
"""Font families, in order of preference."""


@dataclass(frozen=True)
class Cell:
    """Numbers of nodes of one group in one zone: permanent ones, and those up to the group's `max`."""

    sure: int
    maybe: int


def spread(group: Group, zones: int) -> tuple[Cell, ...]:
    """One cell per zone. The nodes are spread evenly, like those of Auto Scaling."""

    def share(number: int, zone: int) -> int:
        return number // zones + (zone < number % zones)

    return tuple(
        Cell(share(group.smallest, zone), share(group.largest, zone) - share(group.smallest, zone))
        for zone in range(zones)
    )


def svg(cluster: Cluster) -> str:
    """The whole picture as SVG text."""
    plan = _Plan(cluster)
    body = "".join((*plan.operator(), *plan.vpc(), *plan.zones(), *plan.bands(), *plan.outside()))
    title = f"The cluster {cluster.name}: {listed_groups(cluster)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {plan.height}" width="{WIDTH}" '
        f'height="{plan.height}" font-family="{escape(FONT)}" font-size="13" fill="{INK}">'
        f"<title>{escape(title)}</title>"
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="{SOFT}"/></marker></defs>'
        f'<rect width="{WIDTH}" height="{plan.height}" fill="{PAPER}"/>{body}</svg>\n'
    )


def listed_groups(cluster: Cluster) -> str:
    """Groups with their sizes: `core (3), workers (2 to 6)`."""
    return ", ".join(f"{group.name} ({_size(group)})" for group in cluster.groups)


def _size(group: Group) -> str:
    return str(group.size) if group.size is not None else f"{group.smallest} to {group.largest}"


class _Plan:
    """Positions of all parts. Each method draws one part."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.count = cluster.network.zone_count
        self.left = MARGIN + SIDE + 56
        self.inner = WIDTH - MARGIN - self.left
        self.pitch = (self.inner - 2 * 16) / self.count
        self.top = MARGIN
        self.cells = {group.name: spread(group, self.count) for group in cluster.groups}
        self.band_top: dict[str, float] = {}
        at = self.top + 96.0
        for group in cluster.groups:
            self.band_top[group.name] = at
            at += self.band_height(group) + 14
        self.public_top = at + 2
        self.vpc_bottom = self.public_top + 62
        self.bottom_top = self.vpc_bottom + 40
        self.height = round(self.bottom_top + 62 + MARGIN)

    def band_height(self, group: Group) -> float:
        rows = max(_rows(cell) for cell in self.cells[group.name])
        return BAND_HEAD + max(1, rows) * (CARD + GAP) + 4

    def zone_left(self, zone: int) -> float:
        return self.left + 16 + zone * self.pitch

    def operator(self) -> Iterator[str]:
        domain, top = self.cluster.domain, self.top
        rows = (
            ("Docker", names.DOCKER_PORT, names.docker_host(domain)),
            ("Images", names.REGISTRY_PORT, names.registry_name(domain)),
            ("Consul", names.CONSUL_HTTP_PORT, names.consul_ui(domain)),
        )
        height = 66 + 46 * len(rows)
        yield _box(MARGIN, top, SIDE, height, fill="#f8fafc")
        yield _text(MARGIN + 16, top + 28, "You", weight=700, size=15)
        yield _text(
            MARGIN + 16, top + 46, f"through the VPN, {self.cluster.network.vpn_cidr}", colour=SOFT, size=11
        )
        for row, (what, port, name) in enumerate(rows):
            at = top + 74 + 46 * row
            yield _text(MARGIN + 16, at, f"{what}, port {port}", weight=600, size=12)
            yield _text(MARGIN + 16, at + 17, name, size=11, colour="#334155", room=SIDE - 28)
        yield from self.legend(top + height + 24)
        middle = top + 48
        yield _arrow(MARGIN + SIDE + 6, middle, self.left - 6, middle, both=True)

    def legend(self, top: float) -> Iterator[str]:
        held = [role for role in Role if self.cluster.with_role(role)]
        for row, role in enumerate(held):
            yield _pill(role, MARGIN + 16, top + 25 * row)[0]
        if any(group.size is None for group in self.cluster.groups):
            at = top + 25 * len(held)
            yield _box(MARGIN + 16, at, 26, 16, fill=PAPER, stroke=SOFT, radius=4, dash="5 4")
            yield _text(MARGIN + 50, at + 12, "nodes that come and go", size=11, colour=SOFT)

    def vpc(self) -> Iterator[str]:
        network = self.cluster.network
        yield _box(
            self.left, self.top, self.inner, self.vpc_bottom - self.top, fill="#f8fafc", stroke="#94a3b8"
        )
        yield _text(self.left + 16, self.top + 26, self.cluster.name, weight=700, size=17)
        zones, nodes = _number(self.count, "zone"), _number(self.cluster.nodes, "node")
        summary = f"VPC {network.cidr} · {zones} · {nodes} at most"
        yield _text(self.left + self.inner - 16, self.top + 26, summary, colour=SOFT, size=12, anchor="end")

    def zones(self) -> Iterator[str]:
        bottom = self.vpc_bottom - 12
        for zone, (private, public) in enumerate(self.subnets()):
            left, width = self.zone_left(zone) + 4, self.pitch - 8
            top = self.top + 42
            yield _box(left, top, width, bottom - top, fill="#eef2f7", stroke="none", radius=10)
            yield _text(left + width / 2, top + 19, f"zone {zone + 1}", weight=600, size=12, anchor="middle")
            yield _text(
                *(left + width / 2, top + 36, private),
                size=11, colour=SOFT, anchor="middle", room=width - 12,
            )  # fmt: skip
            if not public:
                continue
            nat = self.cluster.network.egress == Egress.NAT_PER_ZONE or zone == 0
            yield _text(
                left + width / 2,
                bottom - 8,
                f"public {public}",
                size=10,
                colour=SOFT,
                anchor="middle",
            )
            if nat:
                yield _box(left + 10, self.public_top, width - 20, 28, fill=PAPER, radius=6)
                yield _text(
                    left + width / 2,
                    self.public_top + 18,
                    "NAT gateway",
                    size=11,
                    anchor="middle",
                    room=width - 24,
                )

    def subnets(self) -> Iterator[tuple[str, str]]:
        """The nodes' subnet and the public subnet of each zone; an existing VPC gets none."""
        network = self.cluster.network
        if network.subnets:
            yield from ((subnet, "") for _, subnet in network.subnets)
            return
        for zone in network_plan.subnets(network.cidr, self.count):
            yield str(zone.private), str(zone.public)

    def bands(self) -> Iterator[str]:
        for group in self.cluster.groups:
            top, height = self.band_top[group.name], self.band_height(group)
            yield _box(self.left + 10, top, self.inner - 20, height, fill=PAPER, opacity=0.72, radius=10)
            types = listed(group.types, most=1)
            words = [_number_of_nodes(group), types, f"{group.disk} GiB"]
            words += ["spot"] if group.spot else []
            yield _text(self.left + 24, top + 20, group.name, weight=700, size=13)
            yield _text(
                self.left + self.inner - 24, top + 20, " · ".join(words), size=11, colour=SOFT, anchor="end"
            )
            for zone, cell in enumerate(self.cells[group.name]):
                yield from self.cell(group, cell, self.zone_left(zone) + 10, top + BAND_HEAD)

    def cell(self, group: Group, cell: Cell, left: float, top: float) -> Iterator[str]:
        width, row = self.pitch - 20, 0
        for number, is_sure in ((cell.sure, True), (cell.maybe, False)):
            stacks = [number] if number > MOST_CARDS else [1] * number
            for size in stacks:
                yield from _card(group, left, top + row * (CARD + GAP), width, size, is_sure=is_sure)
                row += 1

    def outside(self) -> Iterator[str]:
        top, half = self.bottom_top, (self.inner - 24) / 2
        bucket = self.cluster.registry.bucket or "its name is CloudFormation's"
        for left, head, caption in (
            (self.left, "Internet", "out only: nothing comes in from here"),
            (self.left + half + 24, "S3 bucket of images", bucket),
        ):
            yield _arrow(left + half / 2, self.vpc_bottom + 4, left + half / 2, top - 4)
            yield _box(left, top, half, 58, fill="#fffbeb" if head.startswith("S3") else "#f8fafc")
            yield _text(left + half / 2, top + 24, head, weight=600, anchor="middle")
            yield _text(
                left + half / 2, top + 43, caption, size=11, colour=SOFT, anchor="middle", room=half - 20
            )


def _rows(cell: Cell) -> int:
    return sum(1 if number > MOST_CARDS else number for number in (cell.sure, cell.maybe))


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _number_of_nodes(group: Group) -> str:
    return _number(group.size, "node") if group.size is not None else f"{_size(group)} nodes"


def _card(
    group: Group, left: float, top: float, width: float, number: int, *, is_sure: bool
) -> Iterator[str]:
    """Card of one node, or a pile for several nodes."""
    colour = ROLES[next(role for role in Role if role in group.roles)][2]
    dash = "" if is_sure else "5 4"
    pile = 6 if number > 1 else 0
    for shift in range(pile, 0, -3):
        yield _box(
            *(left + shift, top + pile - shift, width - pile, CARD - pile),
            fill=PAPER, stroke=colour, radius=7, dash=dash,
        )  # fmt: skip
    yield _box(left, top + pile, width - pile, CARD - pile, fill=PAPER, stroke=colour, radius=7, dash=dash)
    many = f"{number} × " if number > 1 else ""
    yield _text(
        left + 10, top + 20 + pile / 2, f"{many}{group.name}-i-…", size=12, weight=600, room=width - 30
    )
    held = [role for role in Role if role in group.roles]
    is_narrow = sum(_breadth(ROLES[role][0], 10, bold=True) + 17 for role in held) > width - 15
    at = left + 10
    for role in held:
        pill, broad = _pill(role, at, top + 30 + pile / 2, is_narrow=is_narrow)
        yield pill
        at += broad + 5


def _pill(role: Role, left: float, top: float, *, is_narrow: bool = False) -> tuple[str, float]:
    """Drawing of a role, and its width."""
    label, short, ink, fill = ROLES[role]
    label = short if is_narrow else label
    broad = _breadth(label, 10, bold=True) + 12
    background = _box(left, top, broad, 17, fill=fill, stroke="none", radius=8.5)
    word = _text(left + broad / 2, top + 12, label, size=10, colour=ink, anchor="middle", weight=600)
    return background + word, broad


def _breadth(text: str, size: float, *, bold: bool = False) -> float:
    """Approximate width of the text, because viewers use different fonts."""
    return len(text) * size * (0.66 if bold else 0.58)


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float = 13,
    weight: int = 400,
    colour: str = INK,
    anchor: str = "start",
    room: float | None = None,
) -> str:
    if room is not None and _breadth(text, size) > room:
        text = f"{text[: max(1, int(room / (size * 0.58)) - 1)]}…"
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _box(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str,
    stroke: str = LINE,
    radius: float = 8,
    dash: str = "",
    opacity: float = 1,
) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    faint = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="1.2"{dashes}{faint}/>'
    )


def _arrow(x: float, y: float, to_x: float, to_y: float, *, both: bool = False) -> str:
    start = ' marker-start="url(#tip)"' if both else ""
    return (
        f'<path d="M{x:g} {y:g}L{to_x:g} {to_y:g}" stroke="{SOFT}" stroke-width="1.4" fill="none" '
        f'marker-end="url(#tip)"{start}/>'
    )
