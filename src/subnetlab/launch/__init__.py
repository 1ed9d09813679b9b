"""Jobs on many processes: they meet, train together, lose nothing when one dies. See docs/distributed.md."""
