"""Section 3 of the paper in NumPy: network, masks, aggregation, schemes. Imports nothing else of ours."""
