// What a placement costs: the wire of all nets, more where timing is short and where wires are many.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "design.h"

// A net's cost is weight x length x half perimeter of the box round its cells x (1 + mean congestion in the box).
// A move changes coordinates with `move`, asks for the difference with `difference`, and is undone with `undo`
// (which leaves the coordinates to the caller).
class Wirelength {
 public:
  explicit Wirelength(Design& design) : design_(design) {
    int histograms = 0;
    for (const Net& net : design.nets) histograms += net.histogram >= 0;
    histograms_.resize(histograms);
  }

  void begin() {
    now_++;
    touched_.clear(), saved_.clear(), counted_.clear();
  }

  void move(int cell, int x, int y) {
    Cell& moved = design_.cells[cell];
    const int from_x = static_cast<int>(moved.x), from_y = static_cast<int>(moved.y);
    if (from_x == x && from_y == y) return;
    for (const int index : design_.nets_of[cell]) {
      const Net& net = design_.nets[index];
      if (stamp_[index] != now_) {
        stamp_[index] = now_;
        touched_.push_back(index), saved_.push_back(net.box);
      }
      if (net.histogram >= 0) {
        Histogram& counts = histograms_[net.histogram];
        counts.x[from_x]--, counts.x[x]++, counts.y[from_y]--, counts.y[y]++;
        counted_.push_back({net.histogram, from_x, x, from_y, y});
      }
    }
    moved.x = static_cast<float>(x), moved.y = static_cast<float>(y);
  }

  double difference() {
    double change = 0;
    for (size_t i = 0; i < touched_.size(); i++) {
      Net& net = design_.nets[touched_[i]];
      change -= cost(net);
      measure(net);
      change += cost(net);
    }
    return change;
  }

  void undo() {
    for (const auto& [histogram, from_x, x, from_y, y] : counted_) {
      Histogram& counts = histograms_[histogram];
      counts.x[from_x]++, counts.x[x]--, counts.y[from_y]++, counts.y[y]--;
    }
    for (size_t i = 0; i < touched_.size(); i++) design_.nets[touched_[i]].box = saved_[i];
  }

  // The boxes of all nets anew; after coordinates or nets were changed by others.
  void measure_all() {
    stamp_.resize(design_.nets.size(), 0);
    for (Net& net : design_.nets) {
      if (net.histogram >= 0) count(net);
      measure(net);
    }
  }

  // Half perimeters of the netlist's nets, in tiles.
  double half_perimeters() const {
    double sum = 0;
    for (size_t net = 0; net < design_.drivers.size(); net++) sum += design_.nets[net].box.half_perimeter();
    return sum;
  }

  // Where wires are many: each net spreads its wire evenly over its box; beyond `capacity` a tile is full, and
  // the cost of wire there grows by `weight` times the excess. `kept` of what it was before stays, so that the
  // map does not swing.
  void look_at_congestion(double weight, double capacity, double kept) {
    Map<kColumns + 1, kRows + 1> steps{};
    for (const Net& net : design_.nets) {
      if (net.count < 2 || net.length <= 0) continue;
      const Box& box = net.box;
      const float wire = net.length * box.half_perimeter() /
                         static_cast<float>((box.x1 - box.x0 + 1) * (box.y1 - box.y0 + 1));
      steps[box.x0][box.y0] += wire, steps[box.x1 + 1][box.y0] -= wire;
      steps[box.x0][box.y1 + 1] -= wire, steps[box.x1 + 1][box.y1 + 1] += wire;
    }
    Map<kColumns, kRows> demand{};
    for (int x = 0; x < kColumns; x++) {
      for (int y = 0; y < kRows; y++) {
        demand[x][y] = steps[x][y] + (x ? demand[x - 1][y] : 0) + (y ? demand[x][y - 1] : 0) -
                       (x && y ? demand[x - 1][y - 1] : 0);
        const double excess = weight * std::max(0.0, demand[x][y] / capacity - 1);
        excess_[x][y] = static_cast<float>(kept * excess_[x][y] + (1 - kept) * excess);
        sums_[x + 1][y + 1] = excess_[x][y] + sums_[x][y + 1] + sums_[x + 1][y] - sums_[x][y];
      }
    }
  }

 private:
  template <int columns, int rows>
  using Map = std::array<std::array<float, rows>, columns>;

  // How many of a net's cells are in each column and row: the box of many pins without looking at each.
  struct Histogram {
    std::array<short, kColumns> x;
    std::array<short, kRows> y;
  };

  float cost(const Net& net) const {
    const Box& box = net.box;
    const float area = static_cast<float>((box.x1 - box.x0 + 1) * (box.y1 - box.y0 + 1));
    const float excess = (sums_[box.x1 + 1][box.y1 + 1] - sums_[box.x0][box.y1 + 1] - sums_[box.x1 + 1][box.y0] +
                          sums_[box.x0][box.y0]) / area;
    return net.weight * net.length * box.half_perimeter() * (1 + excess);
  }

  void measure(Net& net) const {
    if (net.histogram >= 0) {
      const Histogram& counts = histograms_[net.histogram];
      ends(counts.x, net.box.x0, net.box.x1);
      ends(counts.y, net.box.y0, net.box.y1);
      return;
    }
    int x0 = kColumns, x1 = 0, y0 = kRows, y1 = 0;
    for (int i = net.first; i < net.first + net.count; i++) {
      const int x = design_.column(design_.pins[i]), y = design_.row(design_.pins[i]);
      x0 = std::min(x0, x), x1 = std::max(x1, x), y0 = std::min(y0, y), y1 = std::max(y1, y);
    }
    net.box = {x0, x1, y0, y1};
  }

  template <size_t size>
  static void ends(const std::array<short, size>& counts, int& low, int& high) {
    int at = 0;
    while (!counts[at]) at++;
    low = at;
    at = static_cast<int>(size) - 1;
    while (!counts[at]) at--;
    high = at;
  }

  void count(const Net& net) {
    Histogram& counts = histograms_[net.histogram];
    counts.x.fill(0), counts.y.fill(0);
    for (int i = net.first; i < net.first + net.count; i++) {
      counts.x[design_.column(design_.pins[i])]++, counts.y[design_.row(design_.pins[i])]++;
    }
  }

  Design& design_;
  std::vector<Histogram> histograms_;
  Map<kColumns, kRows> excess_{};
  Map<kColumns + 1, kRows + 1> sums_{};  // of `excess_` from the corner on: the sum over a box is four of them
  std::vector<int> touched_, stamp_;
  std::vector<Box> saved_;
  std::vector<std::array<int, 5>> counted_;
  int now_ = 0;
};
