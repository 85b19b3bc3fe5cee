"""How data gets in: sources, collectors under 32-bit Python, one HTTP client. What they bring lies in data/store."""
