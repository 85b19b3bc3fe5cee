"""From a network to measured rows: what the notebooks of dense networks and of techniques share."""
