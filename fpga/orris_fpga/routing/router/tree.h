// The wires of the net that is being routed, and how its connections share them.
#pragma once

#include <cstdint>
#include <vector>

#include "graph.h"

class Tree {
 public:
  explicit Tree(const Graph& graph)
      : graph_(graph), net_(graph.wires(), 0), uses_(graph.wires(), 0), from_(graph.wires()), edge_(graph.wires()),
        delay_(graph.wires()) {}

  void begin(uint32_t source) {
    current_++, source_ = source;
    delay_[source] = 0;
    wires_.clear();
  }

  bool has(uint32_t wire) const { return net_[wire] == current_ && uses_[wire] > 0; }

  // Adds a path; gives wires that are new to the tree to a function.
  template <typename Function>
  void add(const std::vector<uint32_t>& path, Function taken) {
    uint32_t from = source_;
    for (const uint32_t edge : path) {
      const uint32_t wire = graph_.target(edge);
      if (net_[wire] != current_) {
        net_[wire] = current_, uses_[wire] = 0;
        wires_.push_back(wire);
      }
      if (uses_[wire]++ == 0) taken(wire);
      from_[wire] = from, edge_[wire] = edge, delay_[wire] = delay_[from] + graph_.delay(edge);
      from = wire;
    }
  }

  // Takes a path away; gives wires that nothing of the tree uses any more to a function.
  template <typename Function>
  void remove(const std::vector<uint32_t>& path, Function given_back) {
    for (const uint32_t edge : path) {
      const uint32_t wire = graph_.target(edge);
      if (--uses_[wire] == 0) given_back(wire);
    }
  }

  // The edges that lead from a wire of the tree up to the source, added to a path.
  void climb(uint32_t wire, std::vector<uint32_t>& path) const {
    for (; wire != source_; wire = from_[wire]) path.push_back(edge_[wire]);
  }

  // From the source to a wire of the tree, in ns, about.
  float delay(uint32_t wire) const { return delay_[wire]; }

  // Some may be in the tree no longer.
  const std::vector<uint32_t>& wires() const { return wires_; }

 private:
  const Graph& graph_;
  uint32_t current_ = 0, source_ = 0;
  std::vector<uint32_t> net_, uses_, from_, edge_;  // of a wire: its net, connections on it, where from, by which
  std::vector<float> delay_;
  std::vector<uint32_t> wires_;
};
