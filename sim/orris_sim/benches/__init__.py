"""cocotb benches for the emitted Verilog, block by block; see `orris_sim.cocotb_runner`."""
