"""Pure judgement about acts on many, saved views and spreadsheets."""
