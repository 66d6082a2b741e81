"""What moves a customer's data: one folder a connector type."""
