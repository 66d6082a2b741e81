"""The cloud on one machine: PostgreSQL, emulators, processes and demo data."""
