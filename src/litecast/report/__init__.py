"""The report of a study: facts, the words for them, pages of both, and the exporters to HTML and PDF."""
