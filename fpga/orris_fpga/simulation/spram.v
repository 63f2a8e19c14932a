// The iCE40 UltraPlus' single-port RAM, as far as orris_fpga.gateware.spram_memory uses it.
module SB_SPRAM256KA(
  input [13:0] ADDRESS,
  input [15:0] DATAIN,
  input [3:0] MASKWREN,
  input WREN,
  input CHIPSELECT,
  input CLOCK,
  input STANDBY,
  input SLEEP,
  input POWEROFF,
  output reg [15:0] DATAOUT
);
  reg [15:0] words [0:16383];
  wire [15:0] mask = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};
  always @(posedge CLOCK)
    if (CHIPSELECT & POWEROFF & ~SLEEP & ~STANDBY) begin
      if (WREN) begin
        words[ADDRESS] <= (words[ADDRESS] & ~mask) | (DATAIN & mask);
        DATAOUT <= 16'hDEAD;
      end else
        DATAOUT <= words[ADDRESS];
    end
endmodule
