"""Everything the four functions are made of."""
