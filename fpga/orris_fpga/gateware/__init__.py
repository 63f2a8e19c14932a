"""Gateware around the accelerator on a board: host link, memory, clocks."""
