"""needrestart, which some images have: the rules that it reads from a node, by its own language."""

from __future__ import annotations

import subprocess

from swarmer.core.software import ROOT

SHIPPED = "our %nrconf = (override_rc => { qr(^dbus) => 0, qr(^cron) => 1 });"
"""Configuration of the package, in short: its own rules have to stay."""
DECIDE = """
do "./node/needrestart.conf" or die $@ || $!;
for my $unit (@ARGV) {
    my ($rule) = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
    print "$unit ", defined $rule ? $nrconf{override_rc}->{$rule} : "default", "\n";
}
"""


def decided(*units: str) -> dict[str, str]:
    command = ["perl", "-we", SHIPPED + DECIDE, *units]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_an_upgrade_of_a_library_restarts_no_daemon_of_a_node() -> None:
    units = [path.name for path in (ROOT / "node/systemd").glob("swarmer-*.service")]
    units += ["consul.service", "containerd.service", "docker.service", "systemd-resolved.service"]
    assert set(decided(*units).values()) == {"0"}


def test_the_rules_of_the_package_stay() -> None:
    found = decided("dbus.service", "cron.service", "ssh.service")
    assert found == {"dbus.service": "0", "cron.service": "1", "ssh.service": "default"}
