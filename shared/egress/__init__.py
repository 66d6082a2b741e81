"""How Syncline reaches the hosts that its tenants name."""
