"""The control plane in firmware: a small RISC-V core in the place of the hardware that executes commands."""
