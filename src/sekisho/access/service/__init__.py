"""What the gate, other rooms and the faces may do with access."""
