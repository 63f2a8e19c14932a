"""Gateware of an accelerator whose commands firmware executes."""
