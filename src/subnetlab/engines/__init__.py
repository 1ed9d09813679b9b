"""Ways to run one round of Algorithm 1. One engine is one file here and one line in `table`."""
