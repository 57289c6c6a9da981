"""Everything that an experiment found, on one page that needs nothing beside it."""
