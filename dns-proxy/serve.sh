#!/bin/busybox sh
# shellcheck shell=dash
#
# Runs in the container of dns-proxy-compose.yml: answers at 127.44.0.53, asks the cluster's nodes for names of
# its domain and this machine's former name servers for all others. While it runs, two lines stand before all
# others in the machine's resolv.conf; when it is told to end it takes them out, and the file has the bytes it had.
set -eu

host=/host/resolv.conf
upstream=/run/resolv.conf
address=127.44.0.53
mark="# swarmer dns-proxy: it takes this line and the next out again when it ends"

original() { sed "/^$mark/,+1d" "$host"; }
# In place: the file is a mount of its own.
put() { cat "$1" > "$host"; }

restore() {
    original > "$upstream"
    put "$upstream"
}

if [ -z "$SWARMER_NODES" ]; then
    echo "dns-proxy: SWARMER_NODES is empty: give it addresses of nodes, with blanks between" >&2
    exit 2
fi
case $(original | sed -n 's/^[[:space:]]*nameserver[[:space:]]*//p' | head -n 1) in
    127.0.0.53 | 127.0.0.54)
        echo "dns-proxy: systemd-resolved answers on this machine: ./setup.sh tells it what to forward" >&2
        exit 2
        ;;
esac

mkdir -p /run
original > "$upstream"
set --
for node in $SWARMER_NODES; do set -- "$@" "--server=/$SWARMER_DOMAIN/$node"; done
dnsmasq --keep-in-foreground --user=nobody --group=nogroup --pid-file= --conf-file=/dev/null --no-hosts --log-facility=- \
    --listen-address="$address" --bind-interfaces --resolv-file="$upstream" \
    --rebind-domain-ok="/$SWARMER_DOMAIN/" "$@" &
proxy=$!
trap 'restore; kill $proxy' TERM INT
{ echo "$mark"; echo "nameserver $address"; cat "$upstream"; } > /run/new
put /run/new
# The first wait ends with the signal; the second with the process.
wait $proxy || wait $proxy || true
restore
