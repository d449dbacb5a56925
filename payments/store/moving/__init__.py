"""Export and import the rows of one company, to move it to another installation (docs/decisions/0022)."""
