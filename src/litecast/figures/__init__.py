"""Every picture of the suite, in one house style. A function returns a matplotlib Figure; it decides nothing.

Of data: `data`, `od`. Of networks and forecasts: `networks`, `forecasts`, `residuals`. Of result rows: `fronts` (error
against size and time), `sweeps` (levels and widths tried), `references` (held against a reference or published value).
"""
