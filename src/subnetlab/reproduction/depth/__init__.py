"""The claims of Section 5 asked of deep networks, and what depth adds: coverage, scale, state, the small network."""
