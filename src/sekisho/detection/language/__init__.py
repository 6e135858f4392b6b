"""The Sigma language: from YAML to what is tested, everything desugared once, every fault said."""
