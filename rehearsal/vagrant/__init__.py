"""The cluster as Vagrant's machines: what the Vagrantfile asks for, and what Vagrant itself does not do."""
