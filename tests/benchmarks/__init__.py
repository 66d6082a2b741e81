"""The figures of the design, measured as ratios of one run; not collected by pytest."""
