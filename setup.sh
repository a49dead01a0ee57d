#!/bin/sh
# Prepares this machine for daily use of a running cluster.
#
#   ./setup.sh [-f servers.yml] [ADDRESS…]   ADDRESS: of a node; default: those of `swarmer status --json`
#   ./setup.sh --undo                        restores the former state
#
# It configures three things:
#
# - This machine looks up names of the cluster's domain at its nodes, by systemd-resolved, dnsmasq or macOS's
#   /etc/resolver: by the one that answers this machine's lookups.
# - The local Docker Engine may use the cluster's registry.
# - The output has DOCKER_HOST and the address of Consul's UI.
#
# It keeps a copy of every file before a change, so that --undo restores the same bytes. Run it again after
# nodes have joined or left; a repetition does no harm.
#
# Exit status: 0 done; 1 a step is left for you, and a line names it; 2 the input or this machine is unfit.
#
# SWARMER_SERVERS: the description, if -f names none. SWARMER_SETUP_ROOT: another root than /, for tests.

# Functions are passed to others by name, and shellcheck does not recognise that:
# shellcheck disable=SC2317,SC2329
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=${SWARMER_SETUP_ROOT:-}
state=/var/lib/swarmer-setup
servers=${SWARMER_SERVERS:-$here/servers.yml}
swarmer=$here/.venv/bin/swarmer
kept_below=$root$state
status=0

say() { printf '%s\n' "$*"; }
done_() { say "✓ $*"; }
left() { status=1; printf '✗ %s\n' "$*" >&2; }
refuse() { printf 'setup.sh: %s\n' "$*" >&2; exit 2; }

as_root() {
    if [ "$(id -u)" = 0 ] || [ -n "$root" ]; then "$@"; else sudo -- "$@"; fi
}

# -- files: a copy of the former content is kept until --undo ---------------------------------------

# change FILE: writes standard input into FILE. Call `settle FILE` after its program has read it. It fails if FILE has
# that content already and was settled. Do not call it in a pipe: `refuse` would end only the pipe's subshell.
change() {
    file=$root$1 kept=$root$state/files$1 new=$scratch/new
    cat > "$new"
    if cmp -s "$new" "$file" && [ ! -e "$kept.next" ]; then return 1; fi
    if [ ! -e "$kept.after" ] && [ ! -e "$kept.next" ]; then
        keep || refuse "$file cannot be kept as it is below $root$state, so it is left as it is"
    elif [ -e "$file" ] && ! is_ours; then
        refuse "$file was changed since setup.sh wrote it: see what --undo reports first"
    fi
    # The existing file is overwritten in place, so that it keeps its owner and mode.
    # shellcheck disable=SC2016
    { as_root cp "$new" "$kept.next" && as_root sh -c 'cat "$1" > "$2"' sh "$new" "$file"; } ||
        refuse "$file cannot be written"
}

settle() { if [ -e "$root$state/files$1.next" ]; then as_root mv "$root$state/files$1.next" "$root$state/files$1.after"; fi; }

# `set -e` has no effect in a function whose success is tested, so each command returns its own failure.
keep() {
    as_root mkdir -p "${kept%/*}" || return 1
    if [ -e "$file" ]; then
        as_root cp -p "$file" "$kept.before"
    elif [ ! -d "${file%/*}" ]; then
        as_root touch "$kept.folder" && as_root mkdir -p "${file%/*}"
    fi
}

# Whether the file has its former content, or that of setup.sh, also a part of it after an interruption.
is_ours() {
    cmp -s "$file" "$kept.after" || cmp -s "$file" "$kept.before" ||
        { [ -e "$kept.next" ] && head -c $(($(wc -c < "$file"))) "$kept.next" 2>/dev/null | cmp -s - "$file"; }
}

# restore FILE: restores the former bytes, mode and time; a file that did not exist is removed.
restore() {
    file=$root$1 kept=$root$state/files$1
    if [ ! -e "$kept.after" ] && [ ! -e "$kept.next" ]; then
        : # nothing was written
    elif [ -e "$kept.before" ] && cmp -s "$file" "$kept.before"; then
        :
    elif [ -e "$file" ] && ! is_ours; then
        if [ -e "$kept.before" ]; then as_root cp -p "$kept.before" "$file.before-setup"; fi
        left "$file was changed since setup.sh wrote it, and is left as it is: take out what belongs to the cluster" \
            "$([ ! -e "$kept.before" ] || printf '(before, it was as %s.before-setup)' "$file")"
    elif [ -e "$kept.before" ]; then
        # shellcheck disable=SC2016
        as_root sh -c 'cat "$1" > "$2" && touch -r "$1" "$2"' sh "$kept.before" "$file"
    else
        as_root rm -f "$file"
    fi
    if [ -e "$kept.folder" ]; then as_root rmdir "${file%/*}" 2>/dev/null || true; fi
    as_root rm -f "$kept.before" "$kept.after" "$kept.next" "$kept.folder"
}

remember() { as_root mkdir -p "$root$state" && printf '%s\n' "$2" | as_root tee "$root$state/$1" > /dev/null; }
remembered() { cat "$root$state/$1" 2>/dev/null || true; }

# -- the cluster ---------------------------------------------------------------------------------------

find_domain() {
    if [ -x "$swarmer" ]; then
        "$swarmer" validate --json -f "$servers" > "$scratch/cluster" || exit 2
        domain=$(sed -n 's/^  "domain": "\(.*\)",*$/\1/p' "$scratch/cluster")
    else
        [ -r "$servers" ] || refuse "$servers cannot be read: name the description with -f"
        domain=$(sed -n "s/^domain: *[\"']\{0,1\}\([a-z0-9.-]*\).*/\1/p" "$servers")
        # If the key is written in another way than on its own line, only a parser of YAML can read it.
        if [ -z "$domain" ] && ! grep -q domain "$servers"; then domain=swarmer; fi
    fi
    case $domain in
        '' | *[!a-z0-9.-]*) refuse "$servers: domain: cannot be read without \`swarmer\`: \`make setup\` makes it" ;;
    esac
}

find_addresses() {
    [ -z "$addresses" ] || return 0
    [ -x "$swarmer" ] || refuse "no address of a node is given, and swarmer is not set up: \`make setup\`, or name addresses"
    # With exit status 1 some nodes are unhealthy, but living nodes are enough here.
    "$swarmer" status --json -f "$servers" > "$scratch/status" || [ -s "$scratch/status" ] || exit 1
    addresses=$(sed -n '/"address"/{s/.*"\([0-9.]*\)".*/\1/;h;}
        /"consul": "alive"/{g;p;}' "$scratch/status" | tr '\n' ' ')
    addresses=${addresses% }
    [ -n "$addresses" ] || refuse "no node of the cluster runs: \`swarmer status\` shows more"
}

check_address() {
    case $1 in
        *[!0-9.]* | .* | *. | *..* | *.*.*.*.*) refuse "$1 is no IPv4 address: name addresses of nodes, as in $example" ;;
        *.*.*.*) ;;
        *) refuse "$1 is no IPv4 address: name addresses of nodes, as in $example" ;;
    esac
    for part in $(printf '%s' "$1" | tr . ' '); do
        case $part in
            ????* | 0?*) refuse "$1 is no IPv4 address: name addresses of nodes, as in $example" ;;
            *) [ "$part" -le 255 ] || refuse "$1 is no IPv4 address: name addresses of nodes, as in $example" ;;
        esac
    done
}
example='./setup.sh 10.42.1.4 10.42.1.68'

# -- names -----------------------------------------------------------------------------------------------

# Program that answers this machine's lookups: macos, resolved, dnsmasq or other.
resolver() {
    if [ "$(uname -s)" = Darwin ]; then echo macos; return; fi
    server=$(sed -n 's/^[[:space:]]*nameserver[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' "$root/etc/resolv.conf" 2>/dev/null | head -n 1)
    case $server in
        127.0.0.53 | 127.0.0.54) echo resolved; return ;;
        127.* | ::1) if pidof dnsmasq > /dev/null && [ -d "$root/etc/dnsmasq.d" ]; then echo dnsmasq; return; fi ;;
    esac
    echo other
}

forward_names() {
    how=$(resolver)
    before=$(remembered names)
    case $how in
        macos) forward_by_macos ;;
        resolved) forward_by_resolved ;;
        dnsmasq) forward_by_dnsmasq ;;
        other) begin other ;;
    esac
    if [ "$how" = other ]; then tell_names; else await_names; fi
}

# begin WAY: first reverts a former run with another way. WAY: the forwarding program, the domain, the place.
begin() {
    [ "$before" = "$1" ] || undo_names
    case $1 in *other) ;; *) remember names "$1" ;; esac
}

forward_by_macos() {
    begin "macos $domain /etc/resolver/$domain"
    # The resolver reads at most three servers.
    # shellcheck disable=SC2086
    set -- $addresses
    printf 'nameserver %s\n' "$1" ${2:+"$2"} ${3:+"$3"} > "$scratch/wanted"
    change "/etc/resolver/$domain" < "$scratch/wanted" || true
    settle "/etc/resolver/$domain"
}

forward_by_dnsmasq() {
    begin "dnsmasq $domain /etc/dnsmasq.d/swarmer.conf"
    {
        say "# Written by Swarmer's setup.sh; ./setup.sh --undo removes it."
        for address in $addresses; do say "server=/$domain/$address"; done
        say "rebind-domain-ok=/$domain/"
    } > "$scratch/wanted"
    if change /etc/dnsmasq.d/swarmer.conf < "$scratch/wanted"; then restart_dnsmasq || refuse_restart dnsmasq; fi
    settle /etc/dnsmasq.d/swarmer.conf
}

# dnsmasq reads its configuration only at its start.
restart_dnsmasq() {
    if [ -d /run/systemd/system ]; then as_root systemctl restart dnsmasq; else as_root service dnsmasq restart; fi
}

restart_resolved() { as_root systemctl restart systemd-resolved; }
refuse_restart() { refuse "$1 could not be restarted (its log has the reason): ./setup.sh --undo takes out what was written"; }

# If the link to the nodes has no servers of its own, it gets the nodes for names of the domain only. Otherwise the
# whole machine gets them, if it has no global servers: resolved would ask those for the domain, too.
forward_by_resolved() {
    link=$(ip -o route get "${addresses%% *}" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
    way=other
    if [ -n "$link" ] && { [ "$before" = "resolved $domain link $link" ] || [ -z "$(servers_of "$link")" ]; }; then
        way="link $link"
    elif [ "$before" = "resolved $domain $dropin" ] || [ -z "$(servers_of Global)" ]; then
        way=$dropin
    fi
    begin "resolved $domain $way"
    case $way in
        link*)
            # shellcheck disable=SC2086
            as_root resolvectl dns "$link" $addresses
            as_root resolvectl domain "$link" "~$domain"
            as_root resolvectl default-route "$link" no
            as_root resolvectl dnssec "$link" no
            ;;
        "$dropin")
            printf "# Written by Swarmer's setup.sh; ./setup.sh --undo removes it.\n[Resolve]\nDNS=%s\nDomains=~%s\n" \
                "$addresses" "$domain" > "$scratch/wanted"
            if change "$dropin" < "$scratch/wanted"; then restart_resolved || refuse_restart systemd-resolved; fi
            settle "$dropin"
            ;;
        other) how=other ;;
    esac
}
dropin=/etc/systemd/resolved.conf.d/swarmer.conf

# servers_of LINK: its DNS servers; Global: those of the whole machine.
servers_of() {
    if [ "$1" = Global ]; then
        resolvectl dns | sed -n 's/^Global: *//p'
    else
        resolvectl dns "$1" | sed 's/^[^:]*: *//'
    fi
}

await_names() {
    if within_5_s look_up "registry.service.$domain"; then
        done_ "names of $domain are looked up at $addresses (by $how)"
    else
        left "$domain is forwarded to $addresses, but registry.service.$domain has no answer: does a node give one" \
            "(dig @${addresses%% *} registry.service.$domain)? Does a firewall keep its port 53 from this machine?"
    fi
}

look_up() {
    if [ "$how" = macos ]; then dscacheutil -q host -a name "$1" | grep -q ip_address; else getent ahostsv4 "$1" > /dev/null; fi
}

tell_names() {
    left "what answers this machine's lookups (/etc/resolv.conf) cannot be configured to forward $domain; one of these will do:"
    cat >&2 <<END
    a container   make dns-proxy
                  SWARMER_DOMAIN=$domain SWARMER_NODES="$addresses" \\
                    docker compose -f dns-proxy-compose.yml up -d
    dnsmasq       on this machine, and first of all "nameserver 127.0.0.1" in /etc/resolv.conf; then ./setup.sh again
    your own      forwards $domain and all below it to port 53 of $addresses, without DNSSEC
END
}

undo_names() {
    # shellcheck disable=SC2046
    set -- $(remembered names)
    deaf=
    case ${1:-}:${3:-} in
        :) return 0 ;;
        resolved:link)
            if ip link show "$4" > /dev/null 2>&1 && ! as_root resolvectl revert "$4"; then deaf=systemd-resolved; fi
            ;;
        *) restore "$3" ;;
    esac
    # A program that does not run any more must not stop the rest of the undo.
    case $1:$3 in
        resolved:/*) restart_resolved || deaf=systemd-resolved ;;
        dnsmasq:*) restart_dnsmasq || deaf=dnsmasq ;;
    esac
    as_root rm -f "$root$state/names"
    if [ -n "$deaf" ]; then
        left "$deaf could not be restarted: if it runs, it forwards names of $2 until it is"
    else
        done_ "names of $2 are no longer forwarded"
    fi
}

# -- the registry ------------------------------------------------------------------------------------------

local_docker() { env -u DOCKER_CONTEXT DOCKER_HOST=unix:///var/run/docker.sock docker "$@"; }
engine_takes() { local_docker info -f '{{json .RegistryConfig.IndexConfigs}}' 2>/dev/null | grep -q "\"$1\":{[^}]*\"Secure\":false"; }

open_registry() {
    registry=registry.service.$domain:5000
    if [ "$(uname -s)" = Darwin ]; then
        say "  Docker Desktop → Settings → Docker Engine: \"insecure-registries\": [\"$registry\"], to push from here"
        return
    fi
    if command -v docker > /dev/null && local_docker version 2>&1 | grep -q 'permission denied'; then
        left "the local engine does not answer $(id -un): sudo usermod -aG docker $(id -un), log in again," \
            "then ./setup.sh again"
        return
    fi
    if ! command -v docker > /dev/null || ! local_docker version > /dev/null 2>&1; then
        done_ "no Docker Engine answers here: none has to know the registry"
        return
    fi
    if engine_takes "$registry"; then
        done_ "the local engine uses $registry"
        return
    fi
    pid=$(cat "$root/var/run/docker.pid" 2>/dev/null || pidof -s dockerd || true)
    command_line=$(tr '\0' '\n' < "/proc/${pid:-none}/cmdline" 2>/dev/null || true)
    config=$(printf '%s\n' "$command_line" | sed -n '/^--config-file$/{n;p;};s/^--config-file=//p')
    config=${config:-/etc/docker/daemon.json}
    tell="\"insecure-registries\": [\"$registry\"] in $config, then \`systemctl reload docker\`"
    case $command_line in
        '') left "the local engine runs elsewhere; write $tell"; return ;;
        # dockerd does not start with the same setting as a key and as a flag.
        *--insecure-registry*) left "dockerd is started with --insecure-registry: add --insecure-registry=$registry there"; return ;;
    esac
    if ! with "$registry" "$root$config" > "$scratch/daemon.json" 2>/dev/null; then
        left "$root$config is not understood here (or python3 is missing); write $tell"
        return
    fi
    remember engine "$registry $config"
    change "$config" < "$scratch/daemon.json" || true
    reload_engine
    settle "$config"
    if ! within_5_s engine_takes "$registry"; then
        undo_engine
        left "dockerd did not take $config when it was asked to reload it (its log has the reason); write $tell"
        return
    fi
    done_ "the local engine uses $registry ($config; reloaded, not restarted)"
}

within_5_s() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 25 ] || return 1
        sleep 0.2
    done
}

# with REGISTRY FILE: prints daemon.json with REGISTRY in its list of insecure registries.
# with '' FILE: prints it unchanged, but always with that list.
with() {
    python3 - "$@" <<'PY'
import json, pathlib, sys
path = pathlib.Path(sys.argv[2])
text = path.read_text() if path.exists() else ""
settings = json.loads(text) if text.strip() else {}
held = settings.setdefault("insecure-registries", [])
if sys.argv[1] and sys.argv[1] not in held:
    held.append(sys.argv[1])
print(json.dumps(settings, indent=2, ensure_ascii=False))
PY
}

# The effect of `systemctl reload docker`, also without systemd.
reload_engine() {
    pid=$(cat "$root/var/run/docker.pid" 2>/dev/null || pidof -s dockerd || true)
    [ -z "$pid" ] || as_root kill -HUP "$pid"
}

engine_leaves() { ! engine_takes "$1"; }

# dockerd forgets a registry only when it reads a list without it. A missing list or file has no effect.
undo_engine() {
    held=$(remembered engine)
    [ -n "$held" ] || return 0
    set -- "${held%% *}" "${held#* }"
    file=$root$2 kept=$root$state/files$2
    if { [ -e "$kept.after" ] || [ -e "$kept.next" ]; } && is_ours && with '' "$kept.before" > "$scratch/daemon.json"; then
        change "$2" < "$scratch/daemon.json" || true
        reload_engine
        within_5_s engine_leaves "$1" || left "the local engine goes on to use $1 until it is restarted"
    fi
    restore "$2"
    as_root rm -f "$root$state/engine"
    done_ "the local engine's settings are as they were"
}

# -- commands --------------------------------------------------------------------------------------------

undo() {
    if [ ! -d "$root$state" ]; then
        say "nothing to take back"
        return
    fi
    undo_names
    undo_engine
}

# The copies are removed when everything is restored.
tidy() {
    if [ -d "$kept_below" ] && [ -z "$(remembered names)$(remembered engine)" ]; then as_root rm -r "$kept_below"; fi
}

usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

verb=prepare addresses=
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --undo) verb=undo ;;
        -f | --servers) [ $# -gt 1 ] || refuse "$1 wants a file: $1 servers.yml"; servers=$2; shift ;;
        -*) refuse "$1 is no option: see ./setup.sh --help" ;;
        *) check_address "$1"; addresses="${addresses:+$addresses }$1" ;;
    esac
    shift
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ $verb = undo ]; then
    undo
    tidy
    exit $status
fi
find_domain
find_addresses
forward_names
open_registry
tidy
say
say "  export DOCKER_HOST=swarm-4000.service.$domain:4000"
say "  http://consul.service.$domain:8500/ui"
exit $status
