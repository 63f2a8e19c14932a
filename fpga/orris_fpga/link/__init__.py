"""The host link: gateware and host side of a UART protocol for registers and memory."""
