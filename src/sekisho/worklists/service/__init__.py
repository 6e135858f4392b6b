"""What pages, programs and the worker may do with lists."""
