"""The explorer: a local page where changing a setting trains at once and redraws as rounds arrive."""
