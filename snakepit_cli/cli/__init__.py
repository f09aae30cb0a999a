"""Words and pictures for people: one file per verb or small group. Rich and Typer are imported only here."""
