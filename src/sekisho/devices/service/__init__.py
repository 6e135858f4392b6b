"""What other rooms, the worker and the faces may do with devices, split by noun."""
