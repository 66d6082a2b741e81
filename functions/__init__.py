"""The four Cloud Functions: thin edges, one folder each."""
