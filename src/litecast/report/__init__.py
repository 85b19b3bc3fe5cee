"""The report of a study: facts, words, what cells show, and the exporters to HTML and PDF."""
