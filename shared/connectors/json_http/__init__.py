"""What the connector types that read JSON over HTTP share; a type itself is a folder beside it."""
