// Moves of simulated annealing. Each leads from a legal placement to a legal one.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "design.h"
#include "random.h"
#include "wirelength.h"

class Moves {
 public:
  Moves(Design& design, Wirelength& wirelength, Random& random)
      : design_(design), wirelength_(wirelength), random_(random) {}

  double temperature = 0;

  // What two slots hold changes places: the LUTs, the flip-flops, or both. Returns whether it was done.
  bool swap_slots(int tile_a, int slot_a, int tile_b, int slot_b, bool luts, bool flip_flops) {
    Tile &a = design_.tiles[tile_a], &b = design_.tiles[tile_b];
    if (flip_flops) {
      std::swap(a.flip_flops[slot_a], b.flip_flops[slot_b]);
      const bool legal = design_.slice_legal(a, slot_a / 2) && design_.slice_legal(b, slot_b / 2) &&
                         (tile_a == tile_b || (design_.tile_legal(a) && design_.tile_legal(b)));
      std::swap(a.flip_flops[slot_a], b.flip_flops[slot_b]);
      if (!legal) return false;
    }
    const int lut_a = luts ? a.luts[slot_a] : kNone, lut_b = luts ? b.luts[slot_b] : kNone;
    const int flip_flop_a = flip_flops ? a.flip_flops[slot_a] : kNone;
    const int flip_flop_b = flip_flops ? b.flip_flops[slot_b] : kNone;
    wirelength_.begin();
    carry({lut_a, flip_flop_a}, b);
    carry({lut_b, flip_flop_b}, a);
    if (!accept()) {
      bring_back({lut_a, flip_flop_a}, a);
      bring_back({lut_b, flip_flop_b}, b);
      return false;
    }
    if (luts) design_.put_lut(tile_a, slot_a, lut_b), design_.put_lut(tile_b, slot_b, lut_a);
    if (flip_flops) design_.put_flip_flop(tile_a, slot_a, flip_flop_b), design_.put_flip_flop(tile_b, slot_b, flip_flop_a);
    return true;
  }

  // Two slices, LUTs and flip-flops; not those of chains and RAMs.
  bool swap_slices(int tile_a, int slice_a, int tile_b, int slice_b) {
    Tile &a = design_.tiles[tile_a], &b = design_.tiles[tile_b];
    const int slot_a = 2 * slice_a, slot_b = 2 * slice_b;
    for (int i = 0; i < 2; i++) {
      if (design_.immovable(a.luts[slot_a + i]) || design_.immovable(b.luts[slot_b + i])) return false;
    }
    const auto swap_flip_flops = [&] {
      for (int i = 0; i < 2; i++) std::swap(a.flip_flops[slot_a + i], b.flip_flops[slot_b + i]);
    };
    swap_flip_flops();
    const bool legal = design_.tile_legal(a) && design_.tile_legal(b);
    swap_flip_flops();
    if (!legal) return false;
    const std::array<int, 4> of_a{a.luts[slot_a], a.luts[slot_a + 1], a.flip_flops[slot_a], a.flip_flops[slot_a + 1]};
    const std::array<int, 4> of_b{b.luts[slot_b], b.luts[slot_b + 1], b.flip_flops[slot_b], b.flip_flops[slot_b + 1]};
    wirelength_.begin();
    carry(of_a, b);
    carry(of_b, a);
    if (!accept()) {
      bring_back(of_a, a);
      bring_back(of_b, b);
      return false;
    }
    for (int i = 0; i < 2; i++) {
      design_.put_lut(tile_a, slot_a + i, of_b[i]), design_.put_flip_flop(tile_a, slot_a + i, of_b[2 + i]);
      design_.put_lut(tile_b, slot_b + i, of_a[i]), design_.put_flip_flop(tile_b, slot_b + i, of_a[2 + i]);
    }
    return true;
  }

  // All that `length` tiles side by side hold; a chain in them has to lie in them wholly.
  bool swap_strips(int first_a, int first_b, int length) {
    const Tile &a = design_.tiles[first_a], &b = design_.tiles[first_b];
    if (a.y == b.y && std::abs(a.x - b.x) < length) return false;
    std::array<int, kLongestChain> strip_a, strip_b;
    for (int i = 0; i < length; i++) {
      strip_a[i] = design_.tile_at(a.x + i, a.y), strip_b[i] = design_.tile_at(b.x + i, b.y);
      if (strip_a[i] < 0 || strip_b[i] < 0) return false;
    }
    for (int i = 0; i < length; i++) {
      if (sticks_out(strip_a[i], a, length) || sticks_out(strip_b[i], b, length)) return false;
    }
    wirelength_.begin();
    for (int i = 0; i < length; i++) {
      const Tile &one = design_.tiles[strip_a[i]], &other = design_.tiles[strip_b[i]];
      carry_all(one, other), carry_all(other, one);
    }
    const bool done = accept();
    for (int i = 0; i < length; i++) {
      Tile &one = design_.tiles[strip_a[i]], &other = design_.tiles[strip_b[i]];
      if (done) {
        std::swap(one.luts, other.luts), std::swap(one.flip_flops, other.flip_flops);
        std::swap(one.ram_write, other.ram_write), std::swap(one.chain, other.chain);
        belongs(strip_a[i]), belongs(strip_b[i]);
      } else {
        bring_back_all(one), bring_back_all(other);
      }
    }
    return done;
  }

  // What two sites hold: kind 0 block RAMs, kind 1 multipliers.
  bool swap_sites(int kind, int site_a, int site_b) {
    Site &a = design_.sites[kind][site_a], &b = design_.sites[kind][site_b];
    if (a.cell < 0 && b.cell < 0) return false;
    wirelength_.begin();
    if (a.cell >= 0) wirelength_.move(a.cell, b.x, b.y);
    if (b.cell >= 0) wirelength_.move(b.cell, a.x, a.y);
    if (accept()) {
      std::swap(a.cell, b.cell);
      if (a.cell >= 0) design_.cells[a.cell].site = site_a;
      if (b.cell >= 0) design_.cells[b.cell].site = site_b;
      return true;
    }
    if (a.cell >= 0) set_position(a.cell, a.x, a.y);
    if (b.cell >= 0) set_position(b.cell, b.x, b.y);
    return false;
  }

 private:
  // Whether the difference is worth it, or chance takes it; nets are as before if not.
  bool accept() {
    const double difference = wirelength_.difference();
    if (difference <= 0 || random_.unit() < std::exp(-difference / temperature)) return true;
    wirelength_.undo();
    return false;
  }

  void set_position(int cell, int x, int y) {
    design_.cells[cell].x = static_cast<float>(x), design_.cells[cell].y = static_cast<float>(y);
  }

  template <size_t count>
  void carry(const std::array<int, count>& cells, const Tile& to) {
    for (const int cell : cells) {
      if (cell >= 0) wirelength_.move(cell, to.x, to.y);
    }
  }
  void carry(const std::array<int, 2>& cells, const Tile& to) { carry<2>(cells, to); }

  template <size_t count>
  void bring_back(const std::array<int, count>& cells, const Tile& to) {
    for (const int cell : cells) {
      if (cell >= 0) set_position(cell, to.x, to.y);
    }
  }
  void bring_back(const std::array<int, 2>& cells, const Tile& to) { bring_back<2>(cells, to); }

  void carry_all(const Tile& from, const Tile& to) {
    carry(from.luts, to), carry(from.flip_flops, to);
    if (from.ram_write >= 0) wirelength_.move(from.ram_write, to.x, to.y);
  }

  void bring_back_all(const Tile& tile) {
    bring_back(tile.luts, tile), bring_back(tile.flip_flops, tile);
    if (tile.ram_write >= 0) set_position(tile.ram_write, tile.x, tile.y);
  }

  void belongs(int index) {
    const Tile& tile = design_.tiles[index];
    for (int slot = 0; slot < kSlots; slot++) {
      if (tile.luts[slot] >= 0) design_.cells[tile.luts[slot]].tile = index;
      if (tile.flip_flops[slot] >= 0) design_.cells[tile.flip_flops[slot]].tile = index;
    }
    if (tile.ram_write >= 0) design_.cells[tile.ram_write].tile = index;
  }

  bool sticks_out(int tile, const Tile& first, int length) const {
    const int chain = design_.tiles[tile].chain;
    if (chain < 0) return false;
    const int offset = design_.tiles[design_.cells[design_.chains[chain][0]].tile].x - first.x;
    return offset < 0 || offset + Design::tiles_of(design_.chains[chain]) > length;
  }

  Design& design_;
  Wirelength& wirelength_;
  Random& random_;
};
