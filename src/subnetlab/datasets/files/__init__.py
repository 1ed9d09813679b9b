"""The user's own files. One format is one file here and one line in `source`."""
