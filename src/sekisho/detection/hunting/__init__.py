"""A hunt back in time: files named by a person, all rules over them, everything found collected."""
