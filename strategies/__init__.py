"""Your strategies: one a file, importing only `qka`."""
