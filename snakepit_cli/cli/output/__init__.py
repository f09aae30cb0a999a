"""What is written for people and programs: results, tables, progress, messages, errors."""
