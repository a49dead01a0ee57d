#!/bin/sh
# Prepares a Debian 13 machine as a node: AMI, node container, Vagrant box, stock image.
#
#   node/install.sh DIGEST       DIGEST: digest of the software to install (swarmer/core/software.py)
#
# SWARMER_WHEELS=DIR  take the Python packages from DIR instead of an index
# SWARMER_CONSUL=FILE take this consul binary instead of a download
# SWARMER_CONSUL_RELEASES=URL  fetch the pinned release of Consul from this mirror of HashiCorp's
#
# Idempotent: installed parts are left alone. Exit status 78 (EX_CONFIG): another attempt would fail, too.
set -eu

digest=${1:?usage: node/install.sh DIGEST}
root=/opt/swarmer
source=$(cd "$(dirname "$0")/.." && pwd)

say() { echo "install: $*"; }

install_packages() {
    missing=$(for name in $(cat "$source/node/packages.txt"); do
        dpkg-query -W -f='${Status}\n' "$name" 2>/dev/null | grep -q '^install ok installed' || echo "$name"
    done)
    [ -n "$missing" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o APT::Update::Error-Mode=any update -q
    say "packages:" $missing
    # apt must not start the units of these packages, because swarmer.target starts them.
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
    # Another installation may run meanwhile: unattended upgrades at a first boot.
    apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends $missing
    # Unattended upgrades would restart them under their tasks, on many nodes within one hour.
    apt-mark hold $(dpkg-query -W -f='${Package}\n' docker.io containerd runc docker-registry 2>/dev/null) >/dev/null
}

install_consul() {
    if [ -n "${SWARMER_CONSUL:-}" ]; then
        install -m 755 "$SWARMER_CONSUL" /usr/local/bin/consul
        return
    fi
    [ ! -x /usr/local/bin/consul ] || return 0
    say "Consul"
    (cd "$source" && python3 -B -m node.consul_release /usr/local/bin/consul)
}

install_python() {
    [ -x $root/bin/pip ] || python3 -m venv $root
    if [ -n "${SWARMER_WHEELS:-}" ]; then set -- --no-index --find-links "$SWARMER_WHEELS"; else set --; fi
    $root/bin/pip install -q --disable-pip-version-check --no-compile "$@" -r "$source/node/requirements.txt"
    if [ "$source" != $root/src ]; then
        rm -rf $root/src && mkdir -p $root/src
        cp -R "$source/node" "$source/swarmer" $root/src/
    fi
    site=$($root/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo $root/src > "$site/swarmer.pth"
    $root/bin/python -m compileall -q $root/src "$site" || true
}

install_units() {
    for unit in "$source"/node/systemd/*.service "$source"/node/systemd/*.target; do
        install -m 644 "$unit" /etc/systemd/system/
    done
    for drop_in in "$source"/node/systemd/*.conf; do
        unit=$(basename "$drop_in" .conf).service
        install -D -m 644 "$drop_in" "/etc/systemd/system/$unit.d/swarmer.conf"
    done
    mkdir -p /etc/systemd/system/docker.service.d
    sed "s|@DOCKERD@|$(command -v dockerd)|" "$source/node/systemd/docker.conf.in" \
        > /etc/systemd/system/docker.service.d/swarmer.conf
    install -D -m 644 "$source/node/needrestart.conf" /etc/needrestart/conf.d/swarmer.conf
    # swarmer.target starts them after their configuration.
    systemctl disable -q docker.service docker.socket docker-registry.service 2>/dev/null || true
    systemctl enable -q containerd.service systemd-resolved.service
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}

install_users() {
    id consul >/dev/null 2>&1 || useradd --system --home-dir /var/lib/consul --shell /usr/sbin/nologin consul
    install -d -o consul -g consul -m 750 /var/lib/consul
    install -d -m 755 /etc/consul.d /etc/swarmer
}

# Container image of one static binary, for tests of a node's connections from inside a container.
install_probe() {
    [ ! -e $root/probe.tar ] || return 0
    tree=$(mktemp -d) && chmod 755 "$tree"
    mkdir -p "$tree/bin" "$tree/tmp"
    cp "$(command -v busybox)" "$tree/bin/busybox"
    # The installed busybox is run, because /tmp with the copy may be mounted noexec.
    busybox --list | grep -vx busybox | while read -r applet; do ln -s busybox "$tree/bin/$applet"; done
    tar -C "$tree" -cf $root/probe.tar .
    rm -rf "$tree"
}

install_packages
install_users
install_consul
install_python
install_probe
install_units
echo "$digest" > $root/digest
say "done: $digest"
