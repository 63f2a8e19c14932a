// Random numbers that are the same for a seed on every machine (xorshift128+).
#pragma once

#include <cstdint>

class Random {
 public:
  explicit Random(uint64_t seed) : first_(seed * 0x9E3779B97F4A7C15ull + 1), second_(0xD1B54A32D192ED03ull) {}

  uint64_t next() {
    uint64_t a = first_;
    const uint64_t b = second_;
    first_ = b;
    a ^= a << 23;
    second_ = a ^ b ^ (a >> 17) ^ (b >> 26);
    return second_ + b;
  }

  // 0 to bound - 1.
  unsigned below(unsigned bound) { return static_cast<unsigned>(((next() >> 32) * static_cast<uint64_t>(bound)) >> 32); }

  // From 0, below 1.
  double unit() { return static_cast<double>(next() >> 11) * (1.0 / 9007199254740992.0); }

 private:
  uint64_t first_, second_;
};
