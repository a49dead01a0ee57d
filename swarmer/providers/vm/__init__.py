"""One node as an emulated virtual machine, for tests that need their own kernel (`make test-vm`)."""
