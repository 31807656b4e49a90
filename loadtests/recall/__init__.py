"""Import and start-up failures of released packages, named before the gate has rules to find them."""
