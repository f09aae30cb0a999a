"""The words that every layer shares: ids, errors, paths, settings. Imports the standard library only."""
