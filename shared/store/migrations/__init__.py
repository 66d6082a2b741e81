"""Hand-written, forward-only migrations: expand first, contract one release later."""
