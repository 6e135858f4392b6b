"""The ground floor: the few words and tools that every room shares, one file each."""
