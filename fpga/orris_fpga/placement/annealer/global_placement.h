// Where cells want to lie, not yet in sites: they are drawn to each other and spread over the device in turns.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "design.h"
#include "settings.h"
#include "timing.h"

class GlobalPlacement {
 public:
  GlobalPlacement(Design& design, const Settings& settings, Timing& timing)
      : design_(design), settings_(settings), timing_(timing) {
    x0_ = kColumns, y0_ = kRows, x1_ = y1_ = 0;
    for (const Tile& tile : design.tiles) {
      x0_ = std::min(x0_, tile.x), x1_ = std::max(x1_, tile.x + 1);
      y0_ = std::min(y0_, tile.y), y1_ = std::max(y1_, tile.y + 1);
    }
    double all = 0;
    for (const Cell& cell : design.cells) {
      if (spreads(cell)) all += area(cell);
    }
    density_ = std::max(kDensity, all / design.tiles.size());
    for (const Cell& cell : design.cells) {
      if (!cell.fixed || cell.group < 0) continue;
      auto& centre = centres_[cell.group];
      centre.x += cell.x, centre.y += cell.y, centre.cells++;
    }
    spread_x_.assign(design.cells.size(), 0), spread_y_.assign(design.cells.size(), 0);
  }

  // Leaves coordinates in the cells that are not fixed. The pull towards the places of the last spreading grows
  // from turn to turn, until the two agree. Then twice more from an early turn on, nets of slow paths weighted.
  void run() {
    start();
    relax(kFirstSteps, 0, kFirstGroupPull);
    for (int pass = 0; pass < kPasses; pass++) {
      for (int turn = pass ? kTurnAgain : 0; turn < kTurns; turn++) {
        spread();
        relax(kSteps, kFirstPull * std::pow(kPullGrowth, turn), kGroupPull);
      }
      if (pass + 1 == kPasses) break;
      for (int look = 0; look < kLooks; look++) timing_.update_weights(settings_.period, settings_.global_timing_weight);
    }
    for (Net& net : design_.nets) net.weight = 1;
  }

 private:
  static constexpr int kTurns = 30, kFirstSteps = 150, kSteps = 8, kHalvings = 11;
  static constexpr int kPasses = 3, kTurnAgain = 8;
  static constexpr int kLooks = 3;  // weights go half of the way each
  static constexpr double kFirstPull = 0.01, kPullGrowth = 1.28;
  static constexpr double kFirstGroupPull = 0.3, kGroupPull = 0.02;
  static constexpr double kDensity = 0.7 * kSlots;  // to which a tile fills before cells have to go elsewhere
  static constexpr int kManyCells = 500;  // nets of more say nothing of where a cell belongs

  struct Centre {
    double x = 0, y = 0, cells = 0;
  };

  struct Region {
    int x0, y0, x1, y1;
    std::vector<int> cells;
  };

  // The cells of a PE begin at its fixed ones, all others in the middle.
  void start() {
    for (Cell& cell : design_.cells) {
      if (cell.fixed) continue;
      const Centre* centre = centre_of(cell);
      cell.x = static_cast<float>(centre ? centre->x / centre->cells : 0.5 * (x0_ + x1_));
      cell.y = static_cast<float>(centre ? centre->y / centre->cells : 0.5 * (y0_ + y1_));
    }
  }

  const Centre* centre_of(const Cell& cell) const {
    const auto found = cell.group < 0 ? centres_.end() : centres_.find(cell.group);
    return found == centres_.end() ? nullptr : &found->second;
  }

  // Each cell goes to the mean of its nets' centres, of its PE's fixed cells, and of where it was spread to.
  void relax(int steps, double pull, double group_pull) {
    std::vector<double> net_x(design_.nets.size()), net_y(design_.nets.size());
    for (int step = 0; step < steps; step++) {
      for (size_t index = 0; index < design_.nets.size(); index++) {
        const Net& net = design_.nets[index];
        double x = 0, y = 0;
        for (int i = net.first; i < net.first + net.count; i++) {
          x += design_.cells[design_.pins[i]].x, y += design_.cells[design_.pins[i]].y;
        }
        net_x[index] = x / net.count, net_y[index] = y / net.count;
      }
      for (size_t index = 0; index < design_.cells.size(); index++) {
        Cell& cell = design_.cells[index];
        if (cell.fixed) continue;
        double x = 0, y = 0, weight = 0;
        const auto add = [&](double more, double to_x, double to_y) { x += more * to_x, y += more * to_y, weight += more; };
        for (const int net : design_.nets_of[index]) {
          if (design_.nets[net].count < kManyCells) {
            add(design_.nets[net].weight / (design_.nets[net].count - 0.5), net_x[net], net_y[net]);
          }
        }
        if (weight <= 0) add(1e-3, cell.x, cell.y);
        if (pull > 0 && spreads(cell)) add(pull * weight, spread_x_[index], spread_y_[index]);
        if (const Centre* centre = centre_of(cell)) add(group_pull, centre->x / centre->cells, centre->y / centre->cells);
        cell.x = static_cast<float>(x / weight), cell.y = static_cast<float>(y / weight);
      }
    }
  }

  static bool spreads(const Cell& cell) { return !cell.fixed && cell.kind <= kRamWrite; }

  // Halves the device again and again, and its cells with it in the order in which they lie; each half keeps what
  // lies in it, but no more than its logic tiles have room for.
  void spread() {
    std::vector<Region> regions(1);
    regions[0] = {x0_, y0_, x1_, y1_, {}};
    for (size_t cell = 0; cell < design_.cells.size(); cell++) {
      if (spreads(design_.cells[cell])) regions[0].cells.push_back(static_cast<int>(cell));
    }
    for (int halving = 0; halving < kHalvings; halving++) {
      std::vector<Region> halves;
      for (Region& region : regions) {
        if (std::max(region.x1 - region.x0, region.y1 - region.y0) <= 2 || region.cells.size() < 4) {
          halves.push_back(std::move(region));
        } else {
          halve(region, halves);
        }
      }
      regions.swap(halves);
    }
    for (const Region& region : regions) {
      for (const int cell : region.cells) {
        spread_x_[cell] = std::clamp<double>(design_.cells[cell].x, region.x0, region.x1 - 1.0);
        spread_y_[cell] = std::clamp<double>(design_.cells[cell].y, region.y0, region.y1 - 1.0);
      }
    }
  }

  void halve(Region& region, std::vector<Region>& halves) {
    const bool across = region.x1 - region.x0 >= region.y1 - region.y0;
    Region first{region.x0, region.y0, region.x1, region.y1, {}}, second = first;
    if (across) {
      first.x1 = second.x0 = (region.x0 + region.x1) / 2;
    } else {
      first.y1 = second.y0 = (region.y0 + region.y1) / 2;
    }
    const double room = tiles_in(first), other_room = tiles_in(second);
    const auto at = [&](int cell) { return across ? design_.cells[cell].x : design_.cells[cell].y; };
    const int border = across ? second.x0 : second.y0;
    double all = 0, here = 0, taken = 0;
    for (const int cell : region.cells) {
      all += area(design_.cells[cell]);
      if (at(cell) < border) here += area(design_.cells[cell]);
    }
    const double least = all - density_ * other_room, most = density_ * room;
    const double wanted = least < most ? std::clamp(here, least, most) : all * room / (room + other_room);
    std::stable_sort(region.cells.begin(), region.cells.end(), [&](int a, int b) { return at(a) < at(b); });
    for (const int cell : region.cells) {
      (taken < wanted ? first : second).cells.push_back(cell);
      taken += area(design_.cells[cell]);
    }
    halves.push_back(std::move(first)), halves.push_back(std::move(second));
  }

  double tiles_in(const Region& region) const {
    int count = 0;
    for (int x = region.x0; x < region.x1; x++) {
      for (int y = region.y0; y < region.y1; y++) count += design_.tile_at(x, y) >= 0;
    }
    return count;
  }

  // What a cell takes, in LUT slots; outside the array, where wires are many, with more room.
  double area(const Cell& cell) const {
    const double room = cell.group < 0 ? settings_.spread : 1.0;
    if (cell.kind == kLut) return room;
    if (cell.kind == kFlipFlop) return room * (cell.paired ? 0.25 : 0.45);
    return 0;
  }

  Design& design_;
  const Settings& settings_;
  Timing& timing_;
  int x0_, y0_, x1_, y1_;
  double density_;  // of LUT slots in a tile; what the netlist takes on average if that is more
  std::map<int, Centre> centres_;
  std::vector<double> spread_x_, spread_y_;
};
