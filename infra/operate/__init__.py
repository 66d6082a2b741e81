"""Commands for the operators of a deployment: they ask, and change nothing."""
