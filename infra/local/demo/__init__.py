"""The demo: a source database of real public data, and a workspace that syncs it."""
