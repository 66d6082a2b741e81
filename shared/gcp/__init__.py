"""Google Cloud, one client a file."""
