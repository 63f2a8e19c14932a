// Static timing analysis: when signals arrive at cells, and when they have to, for any delays of wires.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "netlist.h"

// Delays are an ECP5's of speed grade 6, in nanoseconds.
class Paths {
 public:
  struct Cell {
    Kind kind;
    int mode;  // LutMode; of a block RAM 1 with an output register; of a multiplier kOpenInputs, kOpenProduct
  };

  // What is analysed; chains have the carry's order. Sinks of a net may be more than the netlist says once.
  Paths(std::vector<Cell> cells, const std::vector<std::vector<int>>& chains, std::vector<int> drivers,
        std::vector<std::vector<Sink>> sinks)
      : cells_(std::move(cells)), drivers_(std::move(drivers)), sinks_(std::move(sinks)) {
    before_.assign(cells_.size(), kNone), after_.assign(cells_.size(), kNone);
    for (const auto& chain : chains) {
      for (size_t i = 1; i < chain.size(); i++) before_[chain[i]] = chain[i - 1], after_[chain[i - 1]] = chain[i];
    }
    driven_.resize(cells_.size());
    for (size_t net = 0; net < drivers_.size(); net++) driven_[drivers_[net]].push_back(static_cast<int>(net));
    sort_luts();
  }

  // Looks at all paths; `wire` gives the delay from a net's driver to one of its sinks, both by number. Slack is
  // what paths have left of the slowest, or of the period if that is longer. Returns the slowest.
  template <typename Wire>
  float analyse(double period, Wire wire) {
    const float slowest = arrivals(wire);
    longest_ = std::max(static_cast<double>(slowest), period);
    requirements(wire);
    return slowest;
  }

  // The longest path that a net, or a wire of it to a sink, is on; as of the last analysis.
  double path(int net) const { return longest_ - (required_[drivers_[net]] - arrival_[drivers_[net]]); }
  double path(int net, const Sink& sink, float wire) const {
    return longest_ - (required_at(sink.cell) - wire - arrival_[drivers_[net]]);
  }

  double longest() const { return longest_; }

  // What a wire takes by estimate, as the router's do on slow paths; those of more than five tiles are faster by
  // the tile.
  static float estimated_wire(int columns, int rows) {
    constexpr int kNear = 5;
    const int dx = std::abs(columns), dy = std::abs(rows);
    if (dx + dy == 0) return 0.45f;
    return 0.75f + 0.08f * static_cast<float>(std::min(dx, kNear) + std::min(dy, kNear)) +
           0.045f * static_cast<float>(std::max(dx - kNear, 0) + std::max(dy - kNear, 0));
  }

 private:
  static constexpr float kCarryLut = 0.45f, kLutDelay = 0.24f;  // from input to output
  static constexpr float kIntoCarry = 0.4f, kCarryOn = 0.035f, kOutOfCarry = 0.4f;
  static constexpr float kNever = 1e9f;

  static constexpr int kOpenInputs = 1, kOpenProduct = 2;  // of a multiplier: without a register
  static constexpr float kMultiply = 3.93f;

  bool combinational(int index) const {
    const Cell& cell = cells_[index];
    return cell.kind == kLut || (cell.kind == kMultiplier && cell.mode == (kOpenInputs | kOpenProduct));
  }

  float through(int index) const {
    const Cell& cell = cells_[index];
    return cell.kind == kMultiplier ? kMultiply : cell.mode == kCarry ? kCarryLut : kLutDelay;
  }

  float clock_to_out(int index) const {
    const Cell& cell = cells_[index];
    switch (cell.kind) {
      case kFlipFlop: return 0.52f;
      case kBlockRam: return cell.mode == 1 ? 0.8f : 5.6f;
      case kMultiplier: return cell.mode & kOpenProduct ? 0.8f + kMultiply : 0.8f;
      case kOther: return 1.0f;
      default: return 0.0f;
    }
  }

  float setup(int index) const {
    const Cell& cell = cells_[index];
    if (cell.kind == kMultiplier && cell.mode & kOpenInputs) return 0.1f + kMultiply;
    return cell.kind == kBlockRam ? 0.2f : cell.kind == kOther ? 1.0f : 0.1f;
  }

  // LUTs, and multipliers without registers, in an order in which each comes after those that it reads.
  void sort_luts() {
    const int count = static_cast<int>(cells_.size());
    std::vector<int> waits_for(cells_.size(), 0);
    int luts = 0;
    for (int cell = 0; cell < count; cell++) {
      if (!combinational(cell)) continue;
      luts++;
      for (const int net : driven_[cell]) {
        for (const Sink& sink : sinks_[net]) waits_for[sink.cell] += combinational(sink.cell) && sink.pin != kUntimed;
      }
      if (after_[cell] >= 0) waits_for[after_[cell]]++;
    }
    for (int cell = 0; cell < count; cell++) {
      if (combinational(cell) && waits_for[cell] == 0) order_.push_back(cell);
    }
    for (size_t i = 0; i < order_.size(); i++) {
      const int cell = order_[i];
      for (const int net : driven_[cell]) {
        for (const Sink& sink : sinks_[net]) {
          if (combinational(sink.cell) && sink.pin != kUntimed && --waits_for[sink.cell] == 0) order_.push_back(sink.cell);
        }
      }
      if (after_[cell] >= 0 && --waits_for[after_[cell]] == 0) order_.push_back(after_[cell]);
    }
    if (static_cast<int>(order_.size()) != luts) throw Failure("the netlist has a loop of LUTs");
  }

  // When signals are there, from registers on; returns when the last register has its own.
  template <typename Wire>
  float arrivals(Wire wire) {
    const int count = static_cast<int>(cells_.size());
    arrival_.assign(count, 0), carried_.assign(count, 0), inputs_.assign(count, 0);
    const auto send = [&](int from) {
      for (const int net : driven_[from]) {
        for (size_t i = 0; i < sinks_[net].size(); i++) {
          const Sink& sink = sinks_[net][i];
          if (sink.pin != kUntimed) inputs_[sink.cell] = std::max(inputs_[sink.cell], arrival_[from] + wire(net, i));
        }
      }
    };
    for (int cell = 0; cell < count; cell++) {
      if (combinational(cell)) continue;
      arrival_[cell] = clock_to_out(cell);
      if (cells_[cell].kind != kRamWrite && cells_[cell].kind != kClock) send(cell);
    }
    for (const int cell : order_) {
      arrival_[cell] = inputs_[cell] + through(cell);
      carried_[cell] = inputs_[cell] + kIntoCarry;
      if (before_[cell] >= 0) {
        arrival_[cell] = std::max(arrival_[cell], carried_[before_[cell]] + kOutOfCarry);
        carried_[cell] = std::max(carried_[cell], carried_[before_[cell]] + kCarryOn);
      }
      send(cell);
    }
    float slowest = 0;
    for (int cell = 0; cell < count; cell++) {
      if (!combinational(cell)) slowest = std::max(slowest, inputs_[cell] + setup(cell));
    }
    return slowest;
  }

  // When a cell's inputs have to be there.
  float required_at(int cell) const {
    return combinational(cell) ? inputs_required_[cell] : static_cast<float>(longest_ - setup(cell));
  }

  // When outputs have to be there for every register to have its signal at `longest_`.
  template <typename Wire>
  void requirements(Wire wire) {
    const int count = static_cast<int>(cells_.size());
    required_.assign(count, kNever), carry_required_.assign(count, kNever), inputs_required_.assign(count, kNever);
    const auto of_output = [&](int from) {
      float least = kNever;
      for (const int net : driven_[from]) {
        for (size_t i = 0; i < sinks_[net].size(); i++) {
          const Sink& sink = sinks_[net][i];
          if (sink.pin != kUntimed) least = std::min(least, required_at(sink.cell) - wire(net, i));
        }
      }
      return least;
    };
    for (auto cell = order_.rbegin(); cell != order_.rend(); ++cell) {
      required_[*cell] = of_output(*cell);
      const int next = after_[*cell];
      const float carry = next >= 0 ? std::min(required_[next] - kOutOfCarry, carry_required_[next]) : kNever;
      carry_required_[*cell] = carry - kCarryOn;
      inputs_required_[*cell] = std::min(required_[*cell] - through(*cell), carry - kIntoCarry);
    }
    for (int cell = 0; cell < count; cell++) {
      if (!combinational(cell)) required_[cell] = of_output(cell);
    }
  }

  std::vector<Cell> cells_;
  std::vector<int> drivers_;              // of a net
  std::vector<std::vector<Sink>> sinks_;  // of a net
  std::vector<int> before_, after_;       // in a carry chain
  std::vector<std::vector<int>> driven_;
  std::vector<int> order_;
  double longest_ = 0;  // the slowest path, at least the period
  std::vector<float> arrival_, carried_, inputs_;  // at the output, the carry, the latest of the inputs
  std::vector<float> required_, carry_required_, inputs_required_;
};
