"""Section 5 of the paper: its three figures from real data, and a verdict on each claim made of them."""
