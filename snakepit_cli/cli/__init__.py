"""Words and pictures: what a person types and sees. Typer and rich are imported nowhere else."""
