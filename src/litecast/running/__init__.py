"""Running a study: all runs (make), one run (one), the engine of its cells, and what Snakemake starts (client)."""
