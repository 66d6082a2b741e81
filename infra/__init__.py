"""What runs Syncline: Terraform for the cloud, `local` for one machine, `operate` for on-call."""
