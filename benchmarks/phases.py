"""Phases of `make bench-registrator`, in their order. Each returns figures by name."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from benchmarks.measure import Bench, docker, spread, wait

DOWN_S: Final = 1.0
"""Time for which a killed registrator is away, in seconds."""


def up(bench: Bench, names: Iterable[str]) -> dict[str, Any]:
    """Times from the engine's start event to the catalogue and to DNS."""
    names, started = list(names), {name: bench.events.at[name, "start"] for name in names}
    catalogue = {name: bench.catalogue.up[name] for name in names if name in bench.catalogue.up}
    dns = {name: bench.resolver.up[name] for name in names if name in bench.resolver.up}
    return {
        "catalogue_after_start_ms": spread(at_s - started[name] for name, at_s in catalogue.items()),
        "dns_after_start_ms": spread(at_s - started[name] for name, at_s in dns.items()),
        "wrong": bench.check(),
    }


def down(bench: Bench, names: Iterable[str]) -> dict[str, Any]:
    """Times from the engine's die event until the catalogue loses the name."""
    gone = {name: bench.catalogue.down[name] for name in names if name in bench.catalogue.down}
    ended = bench.events.at
    return {
        "catalogue_gone_after_die_ms": spread(at_s - ended[name, "die"] for name, at_s in gone.items()),
        "wrong": bench.check(),
    }


def is_named(bench: Bench, name: str) -> bool:
    """Whether the catalogue and DNS have a container's name."""
    return name in bench.catalogue.now and name in bench.resolver.up


def is_gone(bench: Bench, name: str) -> bool:
    """Whether the catalogue has lost a container's name."""
    return name not in bench.catalogue.now


def seq(bench: Bench) -> dict[str, Any]:
    """Start one container after the other."""
    time.sleep(1)
    began_s = bench.process.usage()
    names = [f"{bench.run_id}-s{number}" for number in range(bench.containers)]
    for name in names:
        bench.resolver.wanted.put(name)
        bench.names.append(name)
        bench.start(name)
        wait(partial(is_named, bench, name))
    spent_s = bench.process.usage() - began_s
    return {**up(bench, names), "cpu_s": round(spent_s, 3)}


def burst(bench: Bench) -> dict[str, Any]:
    """Start all at once."""
    names = [f"{bench.run_id}-b{number}" for number in range(bench.containers)]
    for name in names:
        bench.resolver.wanted.put(name)
    bench.names += names
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(bench.start, names))
    bench.settle(set(bench.names))
    wait(lambda: all(name in bench.resolver.up for name in names))
    return up(bench, names)


def restart(bench: Bench) -> dict[str, Any]:
    """Restart ten at once, each with another port of the host afterwards."""
    names = bench.names[:10]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: docker("restart", "-t", "0", name), names))
    time.sleep(0.1)
    return {"wrong": bench.check()}


def idle(bench: Bench) -> dict[str, Any]:
    """Wait while nothing happens."""
    began_s, index = bench.process.usage(), bench.consul.get("/v1/catalog/services")[1]
    time.sleep(bench.idle_s)
    spent_s = bench.process.usage() - began_s
    return {
        "containers": len(bench.names),
        "cpu_percent": round(100 * spent_s / bench.idle_s, 3),
        "catalogue_changes": bench.consul.get("/v1/catalog/services")[1] - index,
    }


def remove(bench: Bench) -> dict[str, Any]:
    """Remove one after the other."""
    names, began_s = bench.names[: bench.containers], bench.process.usage()
    for name in names:
        bench.remove([name])
        wait(partial(is_gone, bench, name), 5)
    spent_s = bench.process.usage() - began_s
    return {**down(bench, names), "cpu_s": round(spent_s, 3)}


def remove_burst(bench: Bench) -> dict[str, Any]:
    """Remove all at once."""
    names = list(bench.names)
    with ThreadPoolExecutor(len(names) or 1) as pool:
        list(pool.map(lambda name: docker("rm", "-f", name), names))
    bench.names.clear()
    bench.settle(set())
    return down(bench, names)


def kill9(bench: Bench) -> dict[str, Any]:
    """Kill the registrator; five containers end and three start while it is away; start it again."""
    names = [f"{bench.run_id}-k{number}" for number in range(10)]
    bench.names += names
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(bench.start, names))
    bench.settle(set(bench.names))
    bench.process.stop(signal.SIGKILL)
    bench.remove(names[:5])
    fresh = [f"{bench.run_id}-f{number}" for number in range(3)]
    bench.names += fresh
    for name in fresh:
        bench.start(name)
    time.sleep(DOWN_S)
    began_s = time.time()
    bench.process.start()
    bench.settle(set(bench.names))
    right_s = time.time() - began_s
    flapped = sum(bench.catalogue.down.get(name, 0) > began_s for name in names[5:])
    return {"right_after_spawn_ms": round(1000 * right_s, 1), "flapped": flapped, "wrong": bench.check()}


def many(bench: Bench) -> dict[str, Any]:
    """Start the registrator among hundreds of containers: CPU until all is declared, and of a later
    comparison."""
    names = [f"{bench.run_id}-m{number}" for number in range(bench.many)]
    bench.process.stop()
    bench.names += names
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bench.start, names))
    bench.process.argv.insert(-1, "-resync=5")
    bench.process.start()
    bench.settle(set(bench.names))
    first_s = bench.process.usage()
    time.sleep(5.5 - first_s)  # the second comparison inspects nothing again
    second_s = bench.process.usage()
    time.sleep(15)
    later_s = (bench.process.usage() - second_s) / 3
    wrong = bench.check()
    bench.process.argv.remove("-resync=5")
    return {
        "comparison_cpu_s": round(first_s, 3),
        "later_comparison_cpu_s": round(later_s, 3),
        "wrong": wrong,
    }


PHASES: Final[dict[str, Callable[[Bench], dict[str, Any]]]] = {
    "seq": seq,
    "burst": burst,
    "restart": restart,
    "idle": idle,
    "rm": remove,
    "rm_burst": remove_burst,
    "kill9": kill9,
    "many": many,
}
