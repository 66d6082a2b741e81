"""What the local Cloud Tasks and Cloud Scheduler have in common: how they serve, send and fail."""
