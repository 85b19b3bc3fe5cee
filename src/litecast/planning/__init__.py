"""From a study file to its runs: schema, plan, what a run's code is made of. Neither torch nor pandas is imported."""
