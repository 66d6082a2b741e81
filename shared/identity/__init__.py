"""Who people are: tokens of issuers that the deployment trusts, and the keys that prove them."""
