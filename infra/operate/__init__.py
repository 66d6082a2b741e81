"""Commands for the operators of a deployment."""
