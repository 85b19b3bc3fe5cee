"""Runtimes other than PyTorch, one file each."""
