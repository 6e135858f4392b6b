"""Cases: what people report and consult about, and what is answered."""
