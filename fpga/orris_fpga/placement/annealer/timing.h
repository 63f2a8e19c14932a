// Static timing analysis on estimated wires, and the weights that nets get from it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "design.h"

// Delays are an ECP5's of speed grade 6, in nanoseconds; wires as nextpnr estimates them.
class Timing {
 public:
  explicit Timing(Design& design) : design_(design) {
    const size_t count = design.cells.size();
    before_.assign(count, kNone), after_.assign(count, kNone);
    for (const auto& chain : design.chains) {
      for (size_t i = 1; i < chain.size(); i++) before_[chain[i]] = chain[i - 1], after_[chain[i - 1]] = chain[i];
    }
    driven_.resize(count);
    for (size_t net = 0; net < design.drivers.size(); net++) driven_[design.drivers[net]].push_back(static_cast<int>(net));
    sort_luts();
  }

  // Looks at all paths, and moves the nets' weights half of the way to what slow paths want: 1 up to 55 % of the
  // period, from there on growing with the power 1.5 of what a path takes of it, times `weight`. Returns the
  // slowest path.
  float update_weights(double period, double weight) {
    const float slowest = arrivals();
    longest_ = std::max(static_cast<double>(slowest), period);
    requirements();
    for (size_t index = 0; index < design_.drivers.size(); index++) {
      const int driver = design_.drivers[index];
      const double path = longest_ - (required_[driver] - arrival_[driver]);
      const double beyond = std::clamp(path / period - 0.55, 0.0, 2.0);
      Net& net = design_.nets[index];
      net.weight = static_cast<float>(0.5 * net.weight + 0.5 * (1 + weight * beyond * std::sqrt(beyond)));
    }
    return slowest;
  }

  // A net's weight shortens the wires to all its sinks; these only those on slow paths. Each connection on a path
  // that took more than `share` of the period at the last look, but the ones within a slot, gets a weight that
  // grows with the excess.
  void add_slow_connections(double period, double share, double weight) {
    for (size_t net = 0; net < design_.drivers.size(); net++) {
      const int driver = design_.drivers[net];
      for (const Sink& sink : design_.sinks[net]) {
        if (sink.pin == kUntimed || within_slot(driver, sink.cell)) continue;
        const double path = longest_ - (required_at(sink.cell) - wire(driver, sink.cell) - arrival_[driver]);
        const double excess = std::min(path / period - share, 1.0);
        if (excess > 0) design_.add_connection(driver, sink.cell, static_cast<float>(weight * excess * (1 + 2 * excess)));
      }
    }
  }

 private:
  static constexpr float kCarryLut = 0.45f, kLutDelay = 0.24f;  // from input to output
  static constexpr float kIntoCarry = 0.4f, kCarry = 0.035f, kOutOfCarry = 0.4f;
  static constexpr float kNever = 1e9f;

  bool combinational(int cell) const { return design_.cells[cell].kind == kLut; }

  float through(int lut) const { return design_.cells[lut].mode == kCarry ? kCarryLut : kLutDelay; }

  float clock_to_out(int index) const {
    const Cell& cell = design_.cells[index];
    switch (cell.kind) {
      case kFlipFlop: return 0.52f;
      case kBlockRam: return cell.mode == 1 ? 0.8f : 5.6f;
      case kMultiplier: return 0.8f;
      case kOther: return 1.0f;
      default: return 0.0f;
    }
  }

  float setup(int cell) const {
    const Kind kind = design_.cells[cell].kind;
    return kind == kBlockRam ? 0.2f : kind == kOther ? 1.0f : 0.1f;
  }

  bool within_slot(int from, int to) const {
    const Cell& sink = design_.cells[to];
    return sink.paired && sink.partner == from;
  }

  // Wires of more than five tiles are faster by the tile.
  float wire(int from, int to) const {
    if (within_slot(from, to)) return 0;
    constexpr int kNear = 5;
    const int dx = std::abs(design_.column(from) - design_.column(to));
    const int dy = std::abs(design_.row(from) - design_.row(to));
    return 0.078f * static_cast<float>(6 + std::max(dx - kNear, 0) + std::max(dy - kNear, 0) +
                                       2 * (std::min(dx, kNear) + std::min(dy, kNear)));
  }

  // LUTs in an order in which each comes after those that it reads.
  void sort_luts() {
    std::vector<int> waits_for(design_.cells.size(), 0);
    int luts = 0;
    for (int cell = 0; cell < static_cast<int>(design_.cells.size()); cell++) {
      if (!combinational(cell)) continue;
      luts++;
      for (const int net : driven_[cell]) {
        for (const Sink& sink : design_.sinks[net]) waits_for[sink.cell] += combinational(sink.cell) && sink.pin != kUntimed;
      }
      if (after_[cell] >= 0) waits_for[after_[cell]]++;
    }
    for (int cell = 0; cell < static_cast<int>(design_.cells.size()); cell++) {
      if (combinational(cell) && waits_for[cell] == 0) order_.push_back(cell);
    }
    for (size_t i = 0; i < order_.size(); i++) {
      const int cell = order_[i];
      for (const int net : driven_[cell]) {
        for (const Sink& sink : design_.sinks[net]) {
          if (combinational(sink.cell) && sink.pin != kUntimed && --waits_for[sink.cell] == 0) order_.push_back(sink.cell);
        }
      }
      if (after_[cell] >= 0 && --waits_for[after_[cell]] == 0) order_.push_back(after_[cell]);
    }
    if (static_cast<int>(order_.size()) != luts) throw Failure("the netlist has a loop of LUTs");
  }

  // When signals are there, from registers on; returns when the last register has its own.
  float arrivals() {
    const int count = static_cast<int>(design_.cells.size());
    arrival_.assign(count, 0), carried_.assign(count, 0), inputs_.assign(count, 0);
    const auto send = [&](int from) {
      for (const int net : driven_[from]) {
        for (const Sink& sink : design_.sinks[net]) {
          if (sink.pin != kUntimed) inputs_[sink.cell] = std::max(inputs_[sink.cell], arrival_[from] + wire(from, sink.cell));
        }
      }
    };
    for (int cell = 0; cell < count; cell++) {
      if (combinational(cell)) continue;
      arrival_[cell] = clock_to_out(cell);
      if (design_.cells[cell].kind != kRamWrite && design_.cells[cell].kind != kClock) send(cell);
    }
    for (const int cell : order_) {
      arrival_[cell] = inputs_[cell] + through(cell);
      carried_[cell] = inputs_[cell] + kIntoCarry;
      if (before_[cell] >= 0) {
        arrival_[cell] = std::max(arrival_[cell], carried_[before_[cell]] + kOutOfCarry);
        carried_[cell] = std::max(carried_[cell], carried_[before_[cell]] + kCarry);
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
  void requirements() {
    const int count = static_cast<int>(design_.cells.size());
    required_.assign(count, kNever), carry_required_.assign(count, kNever), inputs_required_.assign(count, kNever);
    const auto of_output = [&](int from) {
      float least = kNever;
      for (const int net : driven_[from]) {
        for (const Sink& sink : design_.sinks[net]) {
          if (sink.pin == kUntimed) continue;
          least = std::min(least, required_at(sink.cell) - wire(from, sink.cell));
        }
      }
      return least;
    };
    for (auto cell = order_.rbegin(); cell != order_.rend(); ++cell) {
      required_[*cell] = of_output(*cell);
      const int next = after_[*cell];
      const float carry = next >= 0 ? std::min(required_[next] - kOutOfCarry, carry_required_[next]) : kNever;
      carry_required_[*cell] = carry - kCarry;
      inputs_required_[*cell] = std::min(required_[*cell] - through(*cell), carry - kIntoCarry);
    }
    for (int cell = 0; cell < count; cell++) {
      if (!combinational(cell)) required_[cell] = of_output(cell);
    }
  }

  Design& design_;
  std::vector<int> before_, after_;  // in a carry chain
  std::vector<std::vector<int>> driven_;
  std::vector<int> order_;
  double longest_ = 0;  // the slowest path, at least the period
  std::vector<float> arrival_, carried_, inputs_;  // at the output, the carry, the latest of the inputs
  std::vector<float> required_, carry_required_, inputs_required_;
};
