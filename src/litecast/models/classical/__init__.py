"""Forecasters without a network: what practice uses today, and what a network has to beat before its size matters."""
