// A legal placement near the global one: what is hardest to place first.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "design.h"

class LegalStart {
 public:
  explicit LegalStart(Design& design) : design_(design) {}

  // Raises Failure where a cell finds no place.
  void run() {
    place_chains();
    place_rams();
    place_bound_flip_flops();
    place_flip_flops();
    place_luts();
    place_in_sites();
    for (Cell& cell : design_.cells) {
      if (cell.tile < 0) continue;
      cell.x = static_cast<float>(design_.tiles[cell.tile].x), cell.y = static_cast<float>(design_.tiles[cell.tile].y);
    }
  }

 private:
  using Slice = std::vector<int>;  // one or two flip-flops of one enable

  struct Point {
    double x = 0, y = 0;
  };

  template <class Cells>
  Point centre(const Cells& cells) const {
    Point sum;
    for (const int cell : cells) sum.x += design_.cells[cell].x, sum.y += design_.cells[cell].y;
    return {sum.x / cells.size(), sum.y / cells.size()};
  }

  // The nearest tile that will do, kNone if none does; looks at rings further and further out.
  template <class Fits>
  int nearest(Point point, Fits fits) const {
    const int middle_x = static_cast<int>(std::lround(point.x)), middle_y = static_cast<int>(std::lround(point.y));
    int best = kNone;
    double least = 1e9;
    for (int radius = 0; radius < kColumns + kRows && (best < 0 || radius <= least); radius++) {
      for (int dx = -radius; dx <= radius; dx++) {
        const int dy = radius - std::abs(dx);
        for (const int y : {middle_y - dy, middle_y + dy}) {
          const int tile = design_.tile_at(middle_x + dx, y);
          if (tile >= 0 && fits(tile)) {
            const double distance = std::abs(middle_x + dx - point.x) + std::abs(y - point.y);
            if (distance < least) least = distance, best = tile;
          }
          if (dy == 0) break;
        }
      }
    }
    return best;
  }

  // From slot 0 of a tile on through tiles to the right; the longest first.
  void place_chains() {
    std::vector<int> order(design_.chains.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = static_cast<int>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return design_.chains[a].size() > design_.chains[b].size(); });
    for (const int index : order) {
      const auto& chain = design_.chains[index];
      const int length = Design::tiles_of(chain);
      Point point = centre(chain);
      point.x -= length / 2.0 - 0.5;
      const int first = nearest(point, [&](int tile) {
        for (int i = 0; i < length; i++) {
          const int at = design_.tile_at(design_.tiles[tile].x + i, design_.tiles[tile].y);
          if (at < 0 || design_.tiles[at].luts[0] >= 0) return false;
        }
        return true;
      });
      if (first < 0) no_place("an adder of " + std::to_string(chain.size()) + " LUTs");
      for (size_t i = 0; i < chain.size(); i++) {
        const int tile = design_.tile_at(design_.tiles[first].x + static_cast<int>(i) / kSlots, design_.tiles[first].y);
        design_.put_lut(tile, static_cast<int>(i) % kSlots, chain[i]);
        design_.tiles[tile].chain = index;
        design_.cells[chain[i]].bound = true;
      }
    }
  }

  void place_rams() {
    for (const auto& ram : design_.rams) {
      const int tile = nearest(centre(ram), [&](int at) { return design_.tiles[at].luts[0] < 0; });
      if (tile < 0) no_place("a 16 x 4 RAM");
      for (int slot = 0; slot < kRamSlots; slot++) design_.put_lut(tile, slot, ram[1 + slot]);
      design_.tiles[tile].ram_write = ram[0];
      design_.cells[ram[0]].tile = tile;
      for (const int cell : ram) design_.cells[cell].bound = true;
    }
  }

  // Flip-flops whose LUT is part of a chain or a RAM.
  void place_bound_flip_flops() {
    for (size_t index = 0; index < design_.cells.size(); index++) {
      Cell& cell = design_.cells[index];
      if (cell.kind != kFlipFlop || !cell.paired || !design_.cells[cell.partner].bound) continue;
      const Cell& lut = design_.cells[cell.partner];
      design_.put_flip_flop(lut.tile, lut.slot, static_cast<int>(index));
      cell.bound = true;
      const Tile& tile = design_.tiles[lut.tile];
      if (!design_.tile_legal(tile) || !design_.slice_legal(tile, lut.slot / 2)) {
        throw Failure("the registers of an adder have different clocks, resets or enables, but share a tile");
      }
    }
  }

  // Two with one enable to a slice where there are two, those of the rarest controls first; a pair that finds no
  // slice goes one by one.
  void place_flip_flops() {
    std::map<std::array<int, 3>, std::vector<int>> alike;
    for (size_t index = 0; index < design_.cells.size(); index++) {
      const Cell& cell = design_.cells[index];
      if (cell.kind == kFlipFlop && !cell.bound) {
        alike[{cell.group, cell.control, cell.enable}].push_back(static_cast<int>(index));
      }
    }
    std::vector<Slice> slices;
    for (auto& [controls, cells] : alike) {
      std::stable_sort(cells.begin(), cells.end(), [&](int a, int b) { return along(a) < along(b); });
      for (size_t i = 0; i < cells.size(); i += 2) {
        slices.push_back(i + 1 < cells.size() ? Slice{cells[i], cells[i + 1]} : Slice{cells[i]});
      }
    }
    std::map<int, int> slices_with;
    for (const Slice& slice : slices) slices_with[design_.cells[slice[0]].control]++;
    std::stable_sort(slices.begin(), slices.end(), [&](const Slice& a, const Slice& b) {
      if (a.size() != b.size()) return a.size() > b.size();
      return slices_with[design_.cells[a[0]].control] < slices_with[design_.cells[b[0]].control];
    });
    int left = 0;
    for (const Slice& slice : slices) {
      if (place_slice(slice)) continue;
      for (const int cell : slice) left += slice.size() == 1 || !place_slice({cell});
    }
    if (left) {
      no_place(std::to_string(left) + " flip-flops (8 of a tile share clock and reset, 2 of a slice an enable)");
    }
  }

  float along(int cell) const { return design_.cells[cell].x + design_.cells[cell].y * 3; }

  bool place_slice(const Slice& slice) {
    const int tile = nearest(centre(slice), [&](int at) { return slot_for(slice, at) >= 0; });
    if (tile < 0) return false;
    const int slot = slot_for(slice, tile);
    for (size_t i = 0; i < slice.size(); i++) {
      design_.put_flip_flop(tile, slot + static_cast<int>(i), slice[i]);
      const Cell& cell = design_.cells[slice[i]];
      if (cell.paired) design_.put_lut(tile, slot + static_cast<int>(i), cell.partner);
    }
    return true;
  }

  // The first slot of a tile that takes them, kNone if there is none.
  int slot_for(const Slice& slice, int index) const {
    const Tile& tile = design_.tiles[index];
    const Cell& first = design_.cells[slice[0]];
    for (const int other : tile.flip_flops) {
      if (other >= 0 && design_.cells[other].control != first.control) return kNone;
    }
    const auto free = [&](int cell, int slot) {
      return tile.flip_flops[slot] < 0 && !(design_.cells[cell].paired && tile.luts[slot] >= 0);
    };
    for (int slot = 0; slot < kSlots; slot++) {
      if (slice.size() == 2) {
        if (slot % 2 == 0 && free(slice[0], slot) && free(slice[1], slot + 1)) return slot;
      } else if (free(slice[0], slot)) {
        const int neighbour = tile.flip_flops[slot ^ 1];
        if (neighbour < 0 || design_.cells[neighbour].enable == first.enable) return slot;
      }
    }
    return kNone;
  }

  void place_luts() {
    int left = 0;
    for (size_t index = 0; index < design_.cells.size(); index++) {
      const Cell& cell = design_.cells[index];
      if (cell.kind != kLut || cell.mode != kLogic || cell.tile >= 0 || cell.fixed) continue;
      const auto free_slot = [&](int tile) {
        for (int slot = 0; slot < kSlots; slot++) {
          if (design_.tiles[tile].luts[slot] < 0) return slot;
        }
        return kNone;
      };
      const int tile = nearest({cell.x, cell.y}, [&](int at) { return free_slot(at) >= 0; });
      if (tile < 0) {
        left++;
      } else {
        design_.put_lut(tile, free_slot(tile), static_cast<int>(index));
      }
    }
    if (left) no_place(std::to_string(left) + " LUTs");
  }

  // Block RAMs and multipliers, each in the nearest site that is left; then two change places as long as that brings
  // them nearer to where they want to be: the last ones found what nobody wanted.
  void place_in_sites() {
    for (const Kind kind : {kBlockRam, kMultiplier}) {
      auto& sites = design_.sites[kind - kBlockRam];
      const auto distance = [&](int cell, const Site& site) {
        return cell < 0 ? 0.0f : std::abs(site.x - design_.cells[cell].x) + std::abs(site.y - design_.cells[cell].y);
      };
      for (size_t index = 0; index < design_.cells.size(); index++) {
        const Cell& cell = design_.cells[index];
        if (cell.fixed || cell.kind != kind) continue;
        Site* best = nullptr;
        for (Site& site : sites) {
          const int number = static_cast<int>(index);
          if (site.cell < 0 && (!best || distance(number, site) < distance(number, *best))) best = &site;
        }
        if (!best) no_place(kind == kBlockRam ? "a block RAM" : "a multiplier");
        best->cell = static_cast<int>(index);
      }
      for (bool better = true; better;) {
        better = false;
        for (Site& a : sites) {
          for (Site& b : sites) {
            const float change = distance(a.cell, b) + distance(b.cell, a) - distance(a.cell, a) - distance(b.cell, b);
            if (change < -kNearer) std::swap(a.cell, b.cell), better = true;
          }
        }
      }
      for (size_t i = 0; i < sites.size(); i++) {
        if (sites[i].cell < 0) continue;
        Cell& cell = design_.cells[sites[i].cell];
        cell.site = static_cast<int>(i);
        cell.x = static_cast<float>(sites[i].x), cell.y = static_cast<float>(sites[i].y);
      }
    }
  }

  static constexpr float kNearer = 0.01f;  // tiles

  [[noreturn]] static void no_place(const std::string& what) {
    throw Failure("the device has no legal place for " + what + ": a smaller configuration, or fewer different resets");
  }

  Design& design_;
};
