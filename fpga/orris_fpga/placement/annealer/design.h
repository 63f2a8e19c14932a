// The netlist and the device, as the placer sees them, and where each cell lies.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "../../cpp/netlist.h"

constexpr int kColumns = 130, kRows = 100;  // more than the largest ECP5 has
constexpr int kSlots = 8;                   // of a logic tile: a LUT and a flip-flop each, two to a slice
constexpr int kRamSlots = 6;                // of them, what a 16 x 4 RAM takes: four LUTs, two for its write port
constexpr int kLongestChain = 16;           // tiles of a carry chain

struct Cell {
  Kind kind;
  int mode;     // LutMode; of a block RAM 1 with an output register
  int control;  // flip-flops of a tile have one: clock, reset, their polarity
  int enable;   // flip-flops of a slice have one
  int group;    // the PE it belongs to, kNone outside the array
  bool paired;  // a flip-flop that takes its data from the LUT of its own slot
  bool fixed;
  int partner = kNone;  // of such a flip-flop its LUT, and the other way round
  bool bound = false;   // in a chain or a RAM, or paired with such a LUT: moves with its tile only
  float x, y;
  int tile = kNone, slot = kNone, site = kNone;
};

struct Box {
  int x0, x1, y0, y1;
  int half_perimeter() const { return (x1 - x0) + (y1 - y0); }
};

struct Net {
  int first, count;  // its cells, the driver first, each once: Design::pins[first .. first + count - 1]
  float weight;      // grows with what timing wants
  float length;      // wire for a half perimeter of one, more with more pins; 0: does not count
  int histogram;     // for nets of many pins, else kNone
  Box box{};
};

struct Tile {
  int x, y;
  std::array<int, kSlots> luts, flip_flops;
  int ram_write = kNone;
  int chain = kNone;
};

struct Site {
  int x, y;
  std::string name;
  int cell = kNone;
};

struct Design {
  std::vector<Cell> cells;
  std::vector<Net> nets;
  std::vector<int> pins;
  std::vector<int> drivers;               // of a net of the netlist; `nets` goes on with slow connections
  std::vector<std::vector<Sink>> sinks;   // of a net
  std::vector<std::vector<int>> nets_of;  // a cell: those whose length counts
  std::vector<std::vector<int>> chains;   // LUTs in the carry's order
  std::vector<std::vector<int>> rams;     // the write port's cell, four LUTs, the two LUTs it takes
  std::vector<Tile> tiles;
  std::array<std::vector<Site>, 2> sites;  // of block RAMs and of multipliers

  Design() : tile_at_(kColumns * kRows, kNone) {}

  int tile_at(int x, int y) const {
    return x < 0 || y < 0 || x >= kColumns || y >= kRows ? kNone : tile_at_[x * kRows + y];
  }

  void add_tile(int x, int y) {
    if (x < 0 || y < 0 || x >= kColumns || y >= kRows) throw Failure("a tile is beyond the placer's grid");
    Tile tile;
    tile.x = x, tile.y = y;
    tile.luts.fill(kNone), tile.flip_flops.fill(kNone);
    tile_at_[x * kRows + y] = static_cast<int>(tiles.size());
    tiles.push_back(tile);
  }

  int column(int cell) const { return static_cast<int>(cells[cell].x); }
  int row(int cell) const { return static_cast<int>(cells[cell].y); }

  void put_lut(int tile, int slot, int cell) { put(tiles[tile].luts, tile, slot, cell); }
  void put_flip_flop(int tile, int slot, int cell) { put(tiles[tile].flip_flops, tile, slot, cell); }

  // A wire from a driver to one of its sinks that counts by itself, beside its net.
  void add_connection(int driver, int sink, float weight) {
    nets_of[driver].push_back(static_cast<int>(nets.size()));
    nets_of[sink].push_back(static_cast<int>(nets.size()));
    nets.push_back({static_cast<int>(pins.size()), 2, weight, 1, kNone, {}});
    pins.push_back(driver), pins.push_back(sink);
  }

  void drop_connections() {
    while (nets.size() > drivers.size()) {
      for (int i = 0; i < 2; i++) nets_of[pins.back()].pop_back(), pins.pop_back();
      nets.pop_back();
    }
  }

  // A LUT that stays in its slot: of a chain or a RAM.
  bool immovable(int lut) const { return lut >= 0 && cells[lut].mode != kLogic; }

  static int tiles_of(const std::vector<int>& chain) { return static_cast<int>(chain.size() + kSlots - 1) / kSlots; }

  bool tile_legal(const Tile& tile) const {
    int control = kNone;
    for (const int cell : tile.flip_flops) {
      if (cell < 0) continue;
      if (control >= 0 && cells[cell].control != control) return false;
      control = cells[cell].control;
    }
    return true;
  }

  bool slice_legal(const Tile& tile, int slice) const {
    const int a = tile.flip_flops[2 * slice], b = tile.flip_flops[2 * slice + 1];
    return a < 0 || b < 0 || cells[a].enable == cells[b].enable;
  }

 private:
  void put(std::array<int, kSlots>& slots, int tile, int slot, int cell) {
    slots[slot] = cell;
    if (cell >= 0) cells[cell].tile = tile, cells[cell].slot = slot;
  }

  std::vector<int> tile_at_;
};
