// Simulated annealing: which moves are tried, and how temperature, radius and weights go.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "design.h"
#include "moves.h"
#include "random.h"
#include "settings.h"
#include "timing.h"
#include "wirelength.h"

class Annealing {
 public:
  Annealing(Design& design, const Settings& settings, Timing& timing)
      : design_(design), settings_(settings), timing_(timing), random_(static_cast<uint64_t>(settings.seed)),
        wirelength_(design), moves_(design, wirelength_, random_) {
    for (size_t index = 0; index < design.cells.size(); index++) {
      const Cell& cell = design.cells[index];
      movable_ += !cell.fixed;
      if (cell.kind == kLut && cell.mode == kLogic && cell.partner < 0 && !cell.fixed) {
        free_luts_.push_back(static_cast<int>(index));
      }
      if (cell.kind == kFlipFlop && !cell.bound) flip_flops_.push_back(static_cast<int>(index));
    }
  }

  // From a legal start on. Prints a line for the start and for each phase: phase, phases, wirelength in tiles,
  // slowest path in ns. The fastest placement of the last phases is kept: paths still go up and down there,
  // wires hardly. Being faster than the period helps, as routes take longer than estimated.
  void run() {
    wirelength_.measure_all();
    report(0, look_at_timing());
    Places kept;
    float fastest = 0;
    const int phases = std::max(1, static_cast<int>(settings_.phases));
    const long tries = static_cast<long>(settings_.moves_per_cell * movable_) / phases;
    moves_.temperature = settings_.temperature;
    radius_ = static_cast<int>(settings_.radius);
    for (int phase = 0; phase < phases; phase++) {
      for (long i = 0; i < tries; i++) try_a_move();
      if (2 * phase >= phases) bring_home();
      float slowest = look_at_timing();
      if (phase >= settings_.congestion_phase) {
        wirelength_.look_at_congestion(settings_.congestion_weight, settings_.capacity, kCongestionKept);
      }
      if (phase >= phases - std::max(1, std::min(kLastPhases, phases / 4))) {
        if (kept.cells.empty() || slowest <= fastest) {
          kept = {design_.cells, design_.tiles, design_.sites};
          fastest = slowest;
        } else if (phase + 1 == phases) {
          design_.cells = kept.cells, design_.tiles = kept.tiles, design_.sites = kept.sites;
          slowest = look_at_timing();
        }
      }
      report(phase + 1, slowest);
      const double done = (phase + 1.0) / phases;
      moves_.temperature = phase >= phases - kColdPhases ? kCold : settings_.temperature * std::pow(settings_.cooling, done);
      radius_ = std::max(2, static_cast<int>(static_cast<int>(settings_.radius) * (1 - done) + kLastRadius * done));
    }
  }

 private:
  static constexpr double kCongestionKept = 0.6, kCold = 1e-6, kLastRadius = 2.5;
  static constexpr int kColdPhases = 3;     // at the end take what is better only
  static constexpr int kLastPhases = 8;
  static constexpr int kManyPins = 60;      // nets of more do not say where to go
  static constexpr int kAimRadius = 3;
  static constexpr int kNearSites = 4;
  static constexpr int kFarFromHome = 10, kRoundHome = 20;  // tiles

  struct Places {
    std::vector<Cell> cells;
    std::vector<Tile> tiles;
    std::array<std::vector<Site>, 2> sites;
  };

  float look_at_timing() {
    design_.drop_connections();
    const float slowest = timing_.update_weights(settings_.period, settings_.timing_weight);
    timing_.add_slow_connections(settings_.period, settings_.connection_share, settings_.connection_weight,
                                 settings_.connection_pressure, settings_.most_pressure);
    wirelength_.measure_all();
    return slowest;
  }

  void report(int phase, float slowest) const {
    std::printf("phase %d %d %.0f %.2f\n", phase, static_cast<int>(settings_.phases), wirelength_.half_perimeters(), slowest);
    std::fflush(stdout);
  }

  // LUTs and flip-flops are tried by how many there are and by how much they gain; cells on the slowest paths more.
  void try_a_move() {
    const auto& urgent = timing_.urgent();
    const unsigned kind = random_.below(1000);
    if (!urgent.empty() && random_.unit() < settings_.urgent_share) {
      try_cell(urgent[random_.below(static_cast<unsigned>(urgent.size()))]);
    } else if (kind < 450) {
      if (!free_luts_.empty()) try_lut(free_luts_[random_.below(static_cast<unsigned>(free_luts_.size()))]);
    } else if (kind < 700) {
      if (!flip_flops_.empty()) try_flip_flop(flip_flops_[random_.below(static_cast<unsigned>(flip_flops_.size()))]);
    } else if (kind < 950) {
      if (!flip_flops_.empty()) try_slice(flip_flops_[random_.below(static_cast<unsigned>(flip_flops_.size()))]);
    } else if (kind < 990) {
      try_tile(static_cast<int>(random_.below(static_cast<unsigned>(design_.tiles.size()))));
    } else if (kind < 998) {
      if (!design_.chains.empty()) try_chain(design_.chains[random_.below(static_cast<unsigned>(design_.chains.size()))]);
    } else {
      const int sites_of = static_cast<int>(random_.below(2));
      const unsigned count = static_cast<unsigned>(design_.sites[sites_of].size());
      if (count == 0) return;
      const int a = static_cast<int>(random_.below(count));
      const int cell = design_.sites[sites_of][a].cell;
      if (cell >= 0 && (random_.next() & 1) != 0) {
        try_site(cell);
      } else {
        moves_.swap_sites(sites_of, a, static_cast<int>(random_.below(count)));
      }
    }
  }

  // The move that a cell's kind has.
  void try_cell(int index) {
    const Cell& cell = design_.cells[index];
    if (cell.fixed) return;
    if (cell.site >= 0) return try_site(index);
    if (cell.tile < 0) return;
    const bool lut = cell.kind == kLut;
    if (cell.bound) {
      const int chain = design_.tiles[cell.tile].chain;
      if (chain >= 0) return try_chain(design_.chains[chain], index);
      return try_tile(cell.tile);
    }
    if (lut && cell.partner < 0) return try_lut(index);
    const int flip_flop = lut ? cell.partner : index;
    if ((random_.next() & 1) != 0) {
      try_flip_flop(flip_flop);
    } else {
      try_slice(flip_flop);
    }
  }

  // A block RAM or a multiplier goes to one of the sites nearest to where it is drawn, or to a point on the way there:
  // nearly all have a cell, which does not like to go far either.
  void try_site(int cell) {
    const auto& sites = design_.sites[design_.cells[cell].kind - kBlockRam];
    const Tile& aimed = design_.tiles[aim(cell)];
    const double share = (random_.next() & 1) != 0 ? 1 : random_.unit();
    const double x = design_.column(cell) + share * (aimed.x - design_.column(cell));
    const double y = design_.row(cell) + share * (aimed.y - design_.row(cell));
    near_sites_.clear();
    for (size_t site = 0; site < sites.size(); site++) {
      near_sites_.emplace_back(std::abs(sites[site].x - x) + std::abs(sites[site].y - y), static_cast<int>(site));
    }
    const size_t looked_at = std::min<size_t>(kNearSites, near_sites_.size());
    std::partial_sort(near_sites_.begin(), near_sites_.begin() + static_cast<std::ptrdiff_t>(looked_at), near_sites_.end());
    const int site = near_sites_[random_.below(static_cast<unsigned>(looked_at))].second;
    if (site != design_.cells[cell].site) moves_.swap_sites(design_.cells[cell].kind - kBlockRam, design_.cells[cell].site, site);
  }

  // A cell for which the start found a legal place only far from all that it is connected to does not come back by
  // chance: places that its flip-flop may take are rare. It gets the nearest one to where its nets are that makes
  // the whole better.
  void bring_home() {
    for (const int lut : free_luts_) {
      bring_home(lut, [&](int tile, int slot) {
        return design_.tiles[tile].luts[slot] < 0 &&
               moves_.swap_slots(design_.cells[lut].tile, design_.cells[lut].slot, tile, slot, true, false);
      });
    }
    for (const int flip_flop : flip_flops_) {
      bring_home(flip_flop, [&](int tile, int slot) {
        const Cell& cell = design_.cells[flip_flop];
        bool with_luts;
        return takes_flip_flop(cell, tile, slot, with_luts) &&
               moves_.swap_slots(cell.tile, cell.slot, tile, slot, with_luts, true);
      });
    }
  }

  // `move` tries a slot of a tile, and returns whether the cell went there.
  template <typename Move>
  void bring_home(int cell, Move move) {
    columns_.clear(), rows_.clear();
    collect_mates(cell);
    if (design_.cells[cell].paired) collect_mates(design_.cells[cell].partner);
    if (columns_.empty()) return;
    const int x = middle(columns_), y = middle(rows_);
    if (std::abs(design_.column(cell) - x) + std::abs(design_.row(cell) - y) <= kFarFromHome) return;
    for (int distance = 0; distance <= kRoundHome; distance++) {
      for (int dx = -distance; dx <= distance; dx++) {
        const int dy = distance - std::abs(dx);
        for (const int to_y : {y - dy, y + dy}) {
          const int tile = design_.tile_at(x + dx, to_y);
          if (tile < 0 || tile == design_.cells[cell].tile) continue;
          for (int slot = 0; slot < kSlots; slot++) {
            if (move(tile, slot)) return;
          }
        }
      }
    }
  }

  // Where the other cells of a cell's nets lie; those of wide nets say little.
  void collect_mates(int cell) {
    for (const int index : design_.nets_of[cell]) {
      const Net& net = design_.nets[index];
      if (net.count > kManyPins) continue;
      for (int i = net.first; i < net.first + net.count; i++) {
        const int other = design_.pins[i];
        if (other == cell || other == design_.cells[cell].partner) continue;
        columns_.push_back(design_.column(other)), rows_.push_back(design_.row(other));
      }
    }
  }

  static int middle(std::vector<int>& values) {
    const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), half, values.end());
    return *half;
  }

  // Far moves are for the cell's own good: what lies there would come from far as well, so they go to free
  // places only.
  bool far(int tile, int other, int radii = 2) const {
    const Tile &a = design_.tiles[tile], &b = design_.tiles[other];
    return std::abs(a.x - b.x) + std::abs(a.y - b.y) > radii * radius_;
  }

  void try_lut(int lut) {
    const int to = aim(lut);
    const Tile& tile = design_.tiles[to];
    int slot = static_cast<int>(random_.below(kSlots));
    if (far(design_.cells[lut].tile, to)) {
      int full = 0;
      while (full < kSlots && tile.luts[slot] >= 0) slot = (slot + 1) % kSlots, full++;
      if (full == kSlots) return;
    }
    const int other = tile.luts[slot];
    if (other == lut || design_.immovable(other) || (other >= 0 && design_.cells[other].partner >= 0)) return;
    moves_.swap_slots(design_.cells[lut].tile, design_.cells[lut].slot, to, slot, true, false);
  }

  // To a slot whose neighbour has the same enable; a pair takes its LUT along.
  void try_flip_flop(int flip_flop) {
    const Cell& cell = design_.cells[flip_flop];
    const int to = aim_pair(cell, flip_flop);
    const int start = static_cast<int>(random_.below(kSlots));
    if (to != cell.tile && crowded_by_others(design_.tiles[to], cell.control)) return;
    for (int i = 0; i < kSlots; i++) {
      const int slot = (start + i) % kSlots;
      bool with_luts;
      if (!takes_flip_flop(cell, to, slot, with_luts)) continue;
      moves_.swap_slots(cell.tile, cell.slot, to, slot, with_luts, true);
      return;
    }
  }

  // Whether flip-flops of another control could not be swapped away: a tile with more than one of them.
  bool crowded_by_others(const Tile& tile, int control) const {
    int held = 0;
    bool others = false;
    for (const int cell : tile.flip_flops) {
      held += cell >= 0;
      others = others || (cell >= 0 && design_.cells[cell].control != control);
    }
    return others && held > 1;
  }

  bool takes_flip_flop(const Cell& cell, int to, int slot, bool& with_luts) const {
    const Tile &from = design_.tiles[cell.tile], &tile = design_.tiles[to];
    const int neighbour = tile.flip_flops[slot ^ 1];
    if (neighbour >= 0 && design_.cells[neighbour].enable != cell.enable) return false;
    const int other = tile.flip_flops[slot];
    if (far(cell.tile, to) && (other >= 0 || (cell.paired && tile.luts[slot] >= 0))) return false;
    with_luts = cell.paired || (other >= 0 && design_.cells[other].paired);
    if (with_luts && (design_.immovable(tile.luts[slot]) || design_.immovable(from.luts[cell.slot]))) return false;
    if (other < 0) return true;
    const int left_behind = from.flip_flops[cell.slot ^ 1];
    return left_behind < 0 || design_.cells[left_behind].enable == design_.cells[other].enable ||
           (to == cell.tile && left_behind == other);
  }

  void try_slice(int flip_flop) {
    const Cell& cell = design_.cells[flip_flop];
    const int slice = cell.slot / 2, to = aim_pair(cell, flip_flop);
    const Tile& tile = design_.tiles[to];
    int other = static_cast<int>(random_.below(kSlots / 2));
    for (int i = 0; i < kSlots / 2; i++, other = (other + 1) % (kSlots / 2)) {
      if (to == cell.tile && other == slice) continue;
      if (!design_.immovable(tile.luts[2 * other]) && !design_.immovable(tile.luts[2 * other + 1])) break;
    }
    if (far(cell.tile, to)) {
      int full = 0;
      while (full < kSlots / 2 && !free_slice(tile, other)) other = (other + 1) % (kSlots / 2), full++;
      if (full == kSlots / 2) return;
    }
    moves_.swap_slices(cell.tile, slice, to, other);
  }

  static bool free_slice(const Tile& tile, int slice) {
    const int slot = 2 * slice;
    return tile.luts[slot] < 0 && tile.luts[slot + 1] < 0 && tile.flip_flops[slot] < 0 && tile.flip_flops[slot + 1] < 0;
  }

  void try_tile(int tile) {
    const Tile& from = design_.tiles[tile];
    const int at = static_cast<int>(random_.below(2 * kSlots));
    const int cell = at < kSlots ? from.luts[at] : from.flip_flops[at - kSlots];
    const int to = cell >= 0 ? aim(cell) : pick(from.x, from.y);
    if (to != tile && !far(tile, to)) moves_.swap_strips(tile, to, 1);
  }

  void try_chain(const std::vector<int>& chain) {
    try_chain(chain, chain[random_.below(static_cast<unsigned>(chain.size()))]);
  }

  // By where one of its cells is drawn.
  void try_chain(const std::vector<int>& chain, int cell) {
    const int from = design_.cells[chain[0]].tile;
    const Tile& aimed = design_.tiles[aim(cell)];
    const int held = design_.tiles[design_.cells[cell].tile].x - design_.tiles[from].x;
    const int to = design_.tile_at(aimed.x - held, aimed.y);
    if (to >= 0 && !far(from, to, 3)) moves_.swap_strips(from, to, Design::tiles_of(chain));
  }

  // A tile round a place, at most the radius away.
  int pick(int x, int y) { return pick(x, y, radius_); }

  int pick(int x, int y, int radius) {
    for (;;) {
      const int tile = near(x, y, radius);
      if (tile >= 0) return tile;
    }
  }

  int near(int x, int y, int radius) {
    const int to_x = x - radius + static_cast<int>(random_.below(2 * radius + 1));
    const int to_y = y - radius + static_cast<int>(random_.below(2 * radius + 1));
    return design_.tile_at(to_x, to_y);
  }

  // A tile for a cell: three times of four near another cell of one of its nets, or in the middle of such a net.
  int aim(int cell) {
    const auto& nets = design_.nets_of[cell];
    if (nets.empty() || (random_.next() & 3) == 0) return pick(design_.column(cell), design_.row(cell));
    for (int i = 0; i < 3; i++) {
      const Net& net = design_.nets[nets[random_.below(static_cast<unsigned>(nets.size()))]];
      if (net.count > kManyPins) continue;
      const int other = design_.pins[net.first + static_cast<int>(random_.below(net.count))];
      if (other == cell) continue;
      const bool middle = (random_.next() & 1) != 0;
      const int x = middle ? (net.box.x0 + net.box.x1) / 2 : design_.column(other);
      const int y = middle ? (net.box.y0 + net.box.y1) / 2 : design_.row(other);
      const int tile = near(x, y, std::min(radius_, kAimRadius));
      if (tile >= 0) return tile;
    }
    return pick(design_.column(cell), design_.row(cell));
  }

  // For a flip-flop, or as often for the LUT that it moves with.
  int aim_pair(const Cell& cell, int flip_flop) {
    return aim(cell.paired && (random_.next() & 1) != 0 ? cell.partner : flip_flop);
  }

  Design& design_;
  const Settings& settings_;
  Timing& timing_;
  Random random_;
  Wirelength wirelength_;
  Moves moves_;
  int radius_ = 0;
  double movable_ = 0;
  std::vector<int> free_luts_, flip_flops_;
  std::vector<int> columns_, rows_;  // of a cell's mates
  std::vector<std::pair<double, int>> near_sites_;  // distance, number
};
