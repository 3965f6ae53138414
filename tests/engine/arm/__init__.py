"""The kernels on 64-bit ARM, which an emulator runs: `get.py` fetches it and a compiler."""
