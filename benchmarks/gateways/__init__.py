"""Our server beside nginx and other gateways, in one run: `make bench`."""
