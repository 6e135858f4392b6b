"""The world outside of the database: files of artefacts, and where checkpoints go."""
