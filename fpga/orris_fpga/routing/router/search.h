// The cheapest way from a net's tree to one more sink: A* over the routing graph. Costs are in ns: of a connection
// that is critical to the share c, c times its delay from the source, and 1 - c times what wires cost.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "design.h"
#include "graph.h"
#include "settings.h"
#include "tree.h"

// How wires are taken, and what they cost because of it.
struct Congestion {
  explicit Congestion(size_t wires) : nets(wires, 0), history(wires, 0) {}

  float factor(uint32_t wire) const { return (1 + history[wire]) * (1 + pressure * static_cast<float>(nets[wire])); }

  std::vector<uint16_t> nets;  // on a wire
  std::vector<float> history;  // grows while a wire has too many
  float pressure = 0;
};

class Search {
 public:
  Search(const Graph& graph, const Settings& settings, const Congestion& congestion, const Tree& tree)
      : graph_(graph), congestion_(congestion), tree_(tree), wire_cost_(static_cast<float>(settings.wire_cost)),
        per_tile_(static_cast<float>(settings.greed * settings.tile_cost)), threshold_(static_cast<float>(settings.critical)), margin_(static_cast<int>(settings.margin)),
        searched_(graph.wires(), 0), cost_(graph.wires()), delay_(graph.wires()), from_(graph.wires()), edge_(graph.wires()),
        cone_(graph.wires(), 0) {}

  // Finds a path, from the net's source on; first one that leaves no path of the netlist too slow and lies near the
  // net's pins, then any near them, then any. False: there is none.
  // `critical` is the share to which the connection goes by its delay.
  bool run(const Net& net, Connection& connection, float critical) {
    critical_ = critical;
    mark_cone(connection.sink);
    for (const float most : {connection.most, kNoLimit}) {
      most_ = most;
      for (const bool everywhere : {false, true}) {
        everywhere_ = everywhere;
        if (run(net, connection, margin_)) return true;
      }
    }
    return run(net, connection, kAnywhere);
  }

 private:
  static constexpr int kAnywhere = 1000;
  static constexpr size_t kLargeTree = 200;  // from here on only what is near the sink is a start
  static constexpr int kNear = 4, kFar = 200;
  static constexpr float kLeastPerTile = 0.03f, kNoLimit = 1e9f;  // ns

  struct Item {
    float estimate, cost;
    uint32_t wire;
    // A total order, so that the same wires win on every machine.
    bool operator<(const Item& other) const {
      return estimate != other.estimate ? estimate > other.estimate : wire > other.wire;
    }
  };

  // The local wires that lead to the sink: others of their kind are not worth a look.
  void mark_cone(uint32_t sink) {
    cones_++;
    std::vector<uint32_t> found{sink};
    cone_[sink] = cones_;
    for (size_t i = 0; i < found.size(); i++) {
      const auto [first, last] = graph_.local_sources(found[i]);
      for (const uint32_t* wire = first; wire != last; wire++) {
        if (cone_[*wire] != cones_) cone_[*wire] = cones_, found.push_back(*wire);
      }
    }
  }

  bool run(const Net& net, Connection& connection, int margin) {
    searches_++;
    queue_.clear();
    push(connection, net.source, 0, 0, net.source, 0);
    start_from_tree(connection);
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      const Item item = queue_.back();
      queue_.pop_back();
      if (item.cost > cost_[item.wire]) continue;
      if (item.wire == connection.sink) {
        trace(connection);
        return true;
      }
      for (uint32_t edge = graph_.first_edge(item.wire); edge < graph_.last_edge(item.wire); edge++) {
        const uint32_t to = graph_.target(edge);
        if (graph_.local(to) && cone_[to] != cones_) continue;
        if (!graph_.reach(to).within(net.box, margin) || tree_.has(to) || to == net.source) continue;
        const float wire = (graph_.delay_alone(edge) + wire_cost_) * congestion_.factor(to);
        const float cost = (1 - critical_) * wire + critical_ * graph_.delay(edge);
        push(connection, to, item.cost + cost, delay_[item.wire] + graph_.delay(edge), item.wire, edge);
      }
    }
    return false;
  }

  void start_from_tree(const Connection& connection) {
    // What is near the sink may be far from the source along the tree: who must not take long looks at all of it.
    const bool everywhere = tree_.wires().size() < kLargeTree || critical_ > threshold_ || everywhere_;
    int radius = everywhere ? kAnywhere : kNear;
    for (bool found = false; !found && (radius < kFar || radius == kAnywhere); radius *= 2) {
      for (const uint32_t wire : tree_.wires()) {
        if (!tree_.has(wire)) continue;
        const Box at{connection.x, connection.x, connection.y, connection.y};
        if (graph_.reach(wire).within(at, radius)) {
          push(connection, wire, critical_ * tree_.delay(wire), tree_.delay(wire), wire, 0);
          found = true;
        }
      }
    }
  }

  void push(const Connection& connection, uint32_t wire, float cost, float delay, uint32_t from, uint32_t edge) {
    if (searched_[wire] == searches_ && cost_[wire] <= cost) return;
    const float tiles = static_cast<float>(graph_.reach(wire).distance(connection.x, connection.y));
    if (delay + kLeastPerTile * tiles > most_) return;
    searched_[wire] = searches_, cost_[wire] = cost, delay_[wire] = delay, from_[wire] = from, edge_[wire] = edge;
    queue_.push_back({cost + per_tile_ * tiles, cost, wire});
    std::push_heap(queue_.begin(), queue_.end());
  }

  void trace(Connection& connection) const {
    uint32_t wire = connection.sink;
    for (; from_[wire] != wire; wire = from_[wire]) connection.path.push_back(edge_[wire]);
    tree_.climb(wire, connection.path);
    std::reverse(connection.path.begin(), connection.path.end());
  }

  const Graph& graph_;
  const Congestion& congestion_;
  const Tree& tree_;
  const float wire_cost_, per_tile_, threshold_;
  const int margin_;
  float critical_ = 0, most_ = 0;
  bool everywhere_ = false;
  uint32_t searches_ = 0, cones_ = 0;
  std::vector<uint32_t> searched_;  // of a wire: the search that last met it; then cost, from_, edge_ are of it
  std::vector<float> cost_, delay_;
  std::vector<uint32_t> from_, edge_;
  std::vector<uint32_t> cone_;
  std::vector<Item> queue_;
};
