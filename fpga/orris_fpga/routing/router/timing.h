// How critical each connection is, by static timing analysis on the wires that it takes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "../../cpp/paths.h"
#include "design.h"
#include "graph.h"
#include "settings.h"

class Timing {
 public:
  Timing(Design& design, const Graph& graph, const Settings& settings)
      : design_(design), graph_(graph), settings_(settings),
        paths_(design.cells, design.chains, design.drivers, design.sinks), net_(graph.wires(), 0), leaving_(graph.wires()) {}

  // The delays of all routed connections: a pip's grows with the wires that are driven from where it comes.
  void measure() {
    for (Net& net : design_.nets) {
      measured_++;
      for (const Connection& connection : net.connections) {
        uint32_t from = net.source;
        for (const uint32_t edge : connection.path) {
          const uint32_t to = graph_.target(edge);
          meet(from);
          if (meet(to)) leaving_[from]++;
          from = to;
        }
      }
      for (Connection& connection : net.connections) {
        float delay = 0;
        uint32_t from = net.source;
        for (const uint32_t edge : connection.path) {
          delay += graph_.delay(edge, leaving_[from]);
          from = graph_.target(edge);
        }
        if (!connection.path.empty()) connection.delay = delay;
      }
    }
  }

  double give_way = 0;  // ns that a connection that is not critical may take more, whatever it has left

  // Looks at all paths; returns the slowest, in ns. A connection is critical by what its slowest path takes of the
  // period, or of what all but a few take: by the slowest of all, one long way round would hide what else is slow.
  // And it may take what its slowest path has left of that: one that has to make room goes no longer way round.
  float look() {
    const auto wire = [&](int net, size_t sink) { return delay(design_.nets[net], sink); };
    const float slowest = paths_.analyse(settings_.period, wire);
    longest_.clear();
    for (size_t index = 0; index < design_.nets.size(); index++) {
      Net& net = design_.nets[index];
      for (Connection& connection : net.connections) connection.critical = 0;
      if (design_.cells[design_.drivers[index]].kind == kClock) continue;
      for (size_t i = 0; i < net.connection_of.size(); i++) {
        const Sink& sink = design_.sinks[index][i];
        if (sink.pin == kUntimed) continue;
        float& path = net.connections[net.connection_of[i]].critical;  // in ns, until all are known
        path = std::max(path, static_cast<float>(paths_.path(static_cast<int>(index), sink, delay(net, i))));
      }
      for (const Connection& connection : net.connections) {
        if (connection.critical > 0) longest_.push_back(connection.critical);
      }
    }
    if (longest_.empty()) return slowest;
    const double outliers = std::clamp(settings_.outliers, 0.0, 1.0) * static_cast<double>(longest_.size() - 1);
    const auto whole = longest_.begin() + static_cast<std::ptrdiff_t>(outliers);
    std::nth_element(longest_.begin(), whole, longest_.end(), std::greater<>());
    const double longest = std::max<double>(settings_.period, *whole);
    for (Net& net : design_.nets) {
      for (Connection& connection : net.connections) {
        if (connection.critical <= 0) continue;
        const double slack = settings_.way_round * (longest - connection.critical);
        connection.critical = criticality(connection.critical / longest);
        const double more = std::max(slack, give_way * (1 - connection.critical));
        if (settings_.most_critical > 0) connection.most = connection.delay + static_cast<float>(more);
      }
    }
    return slowest;
  }

 private:
  static float delay(const Net& net, size_t sink) { return net.connections[net.connection_of[sink]].delay; }

  float criticality(double share) const {
    double result = 1;
    for (int i = 0; i < static_cast<int>(settings_.sharpness); i++) result *= share;
    return static_cast<float>(std::min(result, settings_.most_critical));
  }

  // Whether a wire was not met yet in this net.
  bool meet(uint32_t wire) {
    if (net_[wire] == measured_) return false;
    net_[wire] = measured_, leaving_[wire] = 0;
    return true;
  }

  Design& design_;
  const Graph& graph_;
  const Settings& settings_;
  Paths paths_;
  uint32_t measured_ = 0;
  std::vector<float> longest_;  // path of each connection
  std::vector<uint32_t> net_, leaving_;  // of a wire: the net it was met in, wires of it that it drives
};
