// Weights that nets get from static timing analysis on estimated wires.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../../cpp/paths.h"
#include "design.h"

class Timing {
 public:
  explicit Timing(Design& design) : design_(design), paths_(cells(design), design.chains, design.drivers, design.sinks) {}

  // Looks at all paths, and moves the nets' weights half of the way to what slow paths want: 1 up to 55 % of the
  // period, from there on growing with the power 1.5 of what a path takes of it, times `weight`. Returns the
  // slowest path.
  float update_weights(double period, double weight) {
    const float slowest = paths_.analyse(period, [&](int net, size_t sink) {
      return wire(design_.drivers[net], design_.sinks[net][sink].cell);
    });
    for (size_t index = 0; index < design_.drivers.size(); index++) {
      const double beyond = std::clamp(paths_.path(static_cast<int>(index)) / period - 0.55, 0.0, 2.0);
      Net& net = design_.nets[index];
      net.weight = static_cast<float>(0.5 * net.weight + 0.5 * (1 + weight * beyond * std::sqrt(beyond)));
    }
    return slowest;
  }

  // A net's weight shortens the wires to all its sinks; these only those on slow paths. Each connection on a path
  // that took more than `share` of the period at the last look, but the ones within a slot, gets a weight that
  // grows with the excess, and, as the multipliers of a constrained optimum do, from look to look while the path
  // takes more than the period: to the power `pressure` of by how much, up to `most` times. It falls slower, so that
  // what was mended stays so.
  void add_slow_connections(double period, double share, double weight, double pressure, double most) {
    urgent_.clear();
    multipliers_.resize(design_.drivers.size());
    for (size_t net = 0; net < design_.drivers.size(); net++) {
      const int driver = design_.drivers[net];
      const auto& sinks = design_.sinks[net];
      multipliers_[net].resize(sinks.size(), 1);
      for (size_t i = 0; i < sinks.size(); i++) {
        const Sink& sink = sinks[i];
        if (sink.pin == kUntimed || within_slot(driver, sink.cell)) continue;
        const double path = paths_.path(static_cast<int>(net), sink, wire(driver, sink.cell));
        float& multiplier = multipliers_[net][i];
        const double over = path / period;
        multiplier *= static_cast<float>(over > 1 ? power(over, static_cast<int>(pressure)) : over);
        multiplier = std::max(1.0f, std::min(multiplier, static_cast<float>(most)));
        const double excess = std::min(path / period - share, 1.0);
        if (excess <= 0) continue;
        design_.add_connection(driver, sink.cell, static_cast<float>(weight * excess * (1 + 2 * excess)) * multiplier);
        if (path > kUrgent * paths_.longest()) urgent_.push_back(driver), urgent_.push_back(sink.cell);
      }
    }
  }

  // The cells on the slowest paths of the last look; one that is on several, several times.
  const std::vector<int>& urgent() const { return urgent_; }

 private:
  static constexpr double kUrgent = 0.93;  // of the slowest

  static std::vector<Paths::Cell> cells(const Design& design) {
    std::vector<Paths::Cell> result;
    for (const Cell& cell : design.cells) result.push_back({cell.kind, cell.mode});
    return result;
  }

  // As products: the same on every machine.
  static double power(double base, int exponent) {
    double result = 1;
    for (int i = 0; i < exponent; i++) result *= base;
    return result;
  }

  bool within_slot(int from, int to) const {
    const Cell& sink = design_.cells[to];
    return sink.paired && sink.partner == from;
  }

  float wire(int from, int to) const {
    if (within_slot(from, to)) return 0;
    return Paths::estimated_wire(design_.column(from) - design_.column(to), design_.row(from) - design_.row(to));
  }

  Design& design_;
  Paths paths_;
  std::vector<std::vector<float>> multipliers_;  // of a net's sinks
  std::vector<int> urgent_;
};
