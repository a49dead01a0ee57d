"""A node as a virtual machine: a stock kernel, which node containers do not have.

Software emulation (QEMU's TCG): it needs no virtualisation, and is some twenty times slower than a machine.
"""
