"""The pure core in a simulated world: time, chance, Cloud Tasks and workers are all seeded."""
