// What the placer and the router call the parts of a netlist.
#pragma once

#include <stdexcept>

// What the user has to know: the design does not fit, or cannot be placed or routed.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The numbers are those of the netlist's text.
enum Kind { kLut = 0, kFlipFlop = 1, kRamWrite = 2, kBlockRam = 3, kMultiplier = 4, kClock = 8, kOther = 9 };
enum LutMode { kLogic = 0, kCarry = 1, kRam = 2, kRamBlocked = 3 };
enum Pin { kData = 0, kRegister = 1, kCarryIn = 2, kUntimed = 3 };

constexpr int kNone = -1;

struct Sink {
  int cell;
  int pin;  // Pin
};
