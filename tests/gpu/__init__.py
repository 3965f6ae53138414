"""What only a CUDA device can show; the logic is tested in `tests.engine.gpu`."""
