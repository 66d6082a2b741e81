"""The pure core: values in, values out; no I/O, clock, chance, logging or environment."""
