"""What proves that tenants are apart, and that secrets stay where they are."""
