"""Every picture of the suite, in one house style. A function returns a matplotlib Figure; it decides nothing."""
