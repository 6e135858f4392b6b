"""Lists that people work through: findings, acts on many, saved views, spreadsheets in and out."""
