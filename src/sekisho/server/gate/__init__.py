"""The gate's decision process: configures Envoy, answers it, and cuts what may not go on."""
