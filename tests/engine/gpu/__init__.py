"""The GPU engine's logic: on the device where there is one, else on the CPU."""
