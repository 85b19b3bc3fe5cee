"""The web service: bundles of one folder behind HTTP (docs/service.md).

limits, metrics -> guard (bodies, queue, clock, headers), connection (clocks of the socket) -> history (JSON or CSV to
values and times) -> served (models of the folder) -> inference (Open Inference Protocol), app -> __main__ (uvicorn).
`choose` fills the folder from a study. Everything but `choose` runs without torch.
"""
