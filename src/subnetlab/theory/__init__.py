"""What the paper's theorems promise, as functions of data and settings."""
