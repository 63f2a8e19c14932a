// What is to be routed: nets, from a wire to others; wires have the numbers of `Graph`.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "../../cpp/paths.h"

// Which of a LUT's inputs may be exchanged; the numbers are those of the netlist's text.
enum Exchange { kAny = 0, kWithinPairs = 1, kFixed = 2 };

struct Box {
  int x0, x1, y0, y1;

  void include(int x, int y) {
    x0 = x < x0 ? x : x0, x1 = x > x1 ? x : x1;
    y0 = y < y0 ? y : y0, y1 = y > y1 ? y : y1;
  }

  bool within(const Box& other, int margin) const {
    return x1 >= other.x0 - margin && x0 <= other.x1 + margin && y1 >= other.y0 - margin && y0 <= other.y1 + margin;
  }

  // From the box to a place, in tiles, 0 within.
  int distance(int x, int y) const {
    return (x < x0 ? x0 - x : x > x1 ? x - x1 : 0) + (y < y0 ? y0 - y : y > y1 ? y - y1 : 0);
  }
};

struct Connection {
  uint32_t sink;
  int x, y;                    // of the sink
  std::vector<uint32_t> path;  // edges of the graph, from the net's source on; empty: not routed
  float delay = 0;             // ns
  float critical = 0;          // 0 to 1: how far it goes by its delay, not by what wires cost
  bool lost = false;           // found no way in the last round
  float most = 1e9f;           // ns that it may take for no path to get too slow
};

struct Net {
  uint32_t source;
  Box box;  // of its pins
  std::vector<Connection> connections;
  std::vector<int> connection_of;  // a sink of the netlist; several may come in by one wire
};

struct Design {
  std::vector<std::array<uint8_t, 8>> exchanges;  // of a tile's LUTs: Exchange
  std::vector<Net> nets;
  std::vector<Paths::Cell> cells;
  std::vector<std::vector<int>> chains;   // LUTs in the carry's order
  std::vector<int> drivers;               // of a net: its cell
  std::vector<std::vector<Sink>> sinks;   // of a net
};
