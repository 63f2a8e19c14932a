// The routing graph: wires, numbered tile by tile, and edges, the pips that nets may take, numbered by their source.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "chip_database.h"
#include "design.h"

class Graph {
 public:
  Graph(const ChipDatabase& database, const Design& design) : database_(database), design_(design) {
    for (int tile = 0; tile < database.tiles; tile++) {
      first_wire_.push_back(static_cast<uint32_t>(wires_));
      first_pip_.push_back(static_cast<uint32_t>(pips_));
      wires_ += database.wires(tile), pips_ += database.pips(tile);
    }
    first_wire_.push_back(static_cast<uint32_t>(wires_));
    if (wires_ >= UINT32_MAX || pips_ >= UINT32_MAX) throw Failure("the device is larger than the router takes");
    add_edges();
    find_local_wires();
  }

  size_t wires() const { return wires_; }
  uint32_t first_edge(uint32_t wire) const { return first_edge_[wire]; }
  uint32_t last_edge(uint32_t wire) const { return first_edge_[wire + 1]; }  // the first behind its own
  uint32_t target(uint32_t edge) const { return targets_[edge]; }

  // Of an edge, in ns, when its source drives so many wires.
  float delay(uint32_t edge, uint32_t driven = 1) const {
    const ChipDatabase::Delay& delay = database_.delays[classes_[edge]];
    return delay.alone + delay.of_each * static_cast<float>(driven);
  }
  float delay_alone(uint32_t edge) const { return database_.delays[classes_[edge]].alone; }

  // The tiles that a wire leads to.
  const Box& reach(uint32_t wire) const { return reach_[wire]; }

  // Whether a wire leads to pins near it only, over few pips.
  bool local(uint32_t wire) const { return local_[wire]; }

  // Local wires from which pips lead to a local one: first and last of a range.
  std::pair<const uint32_t*, const uint32_t*> local_sources(uint32_t wire) const {
    return {local_sources_.data() + first_local_[wire], local_sources_.data() + first_local_[wire + 1]};
  }

  int tile(uint32_t wire) const {
    return static_cast<int>(std::upper_bound(first_wire_.begin(), first_wire_.end(), wire) - first_wire_.begin()) - 1;
  }

  // Number of the pip of an edge that leaves a wire, over all tiles.
  uint32_t pip(uint32_t wire, uint32_t edge) const {
    const int at = tile(wire);
    uint32_t passed = first_edge_[wire], found = 0;
    database_.leaving(at, static_cast<int>(wire - first_wire_[at]), [&](int pip_tile, int number, const ChipDatabase::Pip& pip) {
      if (allowed(pip_tile, pip) && passed++ == edge) found = first_pip_[pip_tile] + static_cast<uint32_t>(number);
    });
    return found;
  }

 private:
  static constexpr int kLocalSteps = 5;

  bool allowed(int tile, const ChipDatabase::Pip& pip) const {
    if (!(pip.permutation & ChipDatabase::kPermutes)) return true;
    const int from = ChipDatabase::input_from(pip.permutation), to = ChipDatabase::input_to(pip.permutation);
    switch (design_.exchanges[tile][ChipDatabase::lut_of(pip.permutation)]) {
      case kAny: return true;
      case kWithinPairs: return from / 2 == to / 2;
      default: return from == to;
    }
  }

  void add_edges() {
    first_edge_.reserve(wires_ + 1), reach_.reserve(wires_);
    targets_.reserve(pips_), classes_.reserve(pips_);
    for (int tile = 0; tile < database_.tiles; tile++) {
      for (int wire = 0; wire < database_.wires(tile); wire++) {
        first_edge_.push_back(static_cast<uint32_t>(targets_.size()));
        Box reach{database_.columns, -1, database_.rows, -1};
        database_.leaving(tile, wire, [&](int pip_tile, int, const ChipDatabase::Pip& pip) {
          if (!allowed(pip_tile, pip)) return;
          targets_.push_back(first_wire_[pip.target_tile] + static_cast<uint32_t>(pip.target));
          classes_.push_back(static_cast<uint16_t>(pip.delays));
          reach.include(pip_tile % database_.columns, pip_tile / database_.columns);
        });
        database_.pin_tiles(tile, wire, [&](int at) { reach.include(at % database_.columns, at / database_.columns); });
        if (reach.x1 < 0) reach.include(tile % database_.columns, tile / database_.columns);
        reach_.push_back(reach);
      }
    }
    first_edge_.push_back(static_cast<uint32_t>(targets_.size()));
  }

  void find_local_wires() {
    local_.assign(wires_, 0);
    for (int step = 0; step <= kLocalSteps; step++) {
      std::vector<uint32_t> found;
      for (uint32_t wire = 0; wire < wires_; wire++) {
        if (!local_[wire] && leads_to_local_only(wire)) found.push_back(wire);
      }
      for (const uint32_t wire : found) local_[wire] = 1;
    }
    first_local_.assign(wires_ + 1, 0);
    each_local_edge([&](uint32_t, uint32_t to) { first_local_[to + 1]++; });
    for (uint32_t wire = 0; wire < wires_; wire++) first_local_[wire + 1] += first_local_[wire];
    local_sources_.resize(first_local_.back());
    std::vector<uint32_t> next(first_local_.begin(), first_local_.end() - 1);
    each_local_edge([&](uint32_t from, uint32_t to) { local_sources_[next[to]++] = from; });
  }

  bool leads_to_local_only(uint32_t wire) const {
    for (uint32_t edge = first_edge(wire); edge < last_edge(wire); edge++) {
      if (!local_[targets_[edge]]) return false;
    }
    return true;
  }

  template <typename Function>
  void each_local_edge(Function function) const {
    for (uint32_t wire = 0; wire < wires_; wire++) {
      if (!local_[wire]) continue;
      for (uint32_t edge = first_edge(wire); edge < last_edge(wire); edge++) function(wire, targets_[edge]);
    }
  }

  const ChipDatabase& database_;
  const Design& design_;
  size_t wires_ = 0, pips_ = 0;
  std::vector<uint32_t> first_wire_, first_pip_;  // of a tile
  std::vector<uint32_t> first_edge_, targets_;
  std::vector<uint16_t> classes_;
  std::vector<Box> reach_;
  std::vector<uint8_t> local_;
  std::vector<uint32_t> first_local_, local_sources_;
};
