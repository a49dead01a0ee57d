"""What `make bench-registrator` measures with."""
