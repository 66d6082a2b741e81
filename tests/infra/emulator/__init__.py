"""What the local emulators have in common."""
