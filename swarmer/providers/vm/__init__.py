"""One node as an emulated virtual machine, for what needs a kernel of its own (`make test-vm`)."""
