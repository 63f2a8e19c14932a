// Reads the netlist and the device from the text that `exchange.py` writes.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "../../cpp/text.h"
#include "design.h"

class Reader : Text {
 public:
  explicit Reader(const std::string& path) : Text(path, "the placer") {}

  Design read() {
    Design design;
    design.cells.resize(section("cells"));
    for (Cell& cell : design.cells) {
      cell.kind = static_cast<Kind>(number());
      cell.mode = number(), cell.control = number(), cell.enable = number();
      cell.x = static_cast<float>(number()), cell.y = static_cast<float>(number());
      cell.fixed = cell.x >= 0;
      cell.group = number(), cell.paired = number() != 0;
    }
    for (int count = section("chains"); count; count--) {
      design.chains.push_back(numbers(number()));
      if (Design::tiles_of(design.chains.back()) > kLongestChain) {
        throw Failure("an adder of " + std::to_string(design.chains.back().size()) + " LUTs is longer than the " +
                      std::to_string(kLongestChain * kSlots) + " that the placer takes");
      }
    }
    for (int count = section("rams"); count; count--) design.rams.push_back(numbers(1 + kRamSlots));
    for (int count = section("pairs"); count; count--) {
      const int lut = number(), flip_flop = number();
      design.cells[lut].partner = flip_flop, design.cells[flip_flop].partner = lut;
    }
    read_nets(design, section("nets"));
    for (int count = section("tiles"); count; count--) {
      const int x = number(), y = number();
      design.add_tile(x, y);
    }
    for (auto& sites : design.sites) {
      for (int count = section("sites"); count; count--) {
        Site site;
        site.x = number(), site.y = number(), site.name = word();
        sites.push_back(site);
      }
    }
    return design;
  }

 private:
  static constexpr int kManyPins = 24;    // beyond it a net's box comes from a histogram
  static constexpr int kTooMany = 3000;   // beyond it a net reaches everywhere anyway
  static constexpr int kMostCounted = 50;

  void read_nets(Design& design, int count) {
    design.nets_of.resize(design.cells.size());
    int histograms = 0;
    for (int index = 0; index < count; index++) {
      const int sinks = number(), driver = number();
      design.drivers.push_back(driver);
      design.sinks.emplace_back();
      std::vector<int> others;
      for (int i = 0; i < sinks; i++) {
        const int cell = number(), pin = number();
        design.sinks.back().push_back({cell, pin});
        if (cell != driver) others.push_back(cell);
      }
      std::sort(others.begin(), others.end());
      others.erase(std::unique(others.begin(), others.end()), others.end());
      Net net;
      net.first = static_cast<int>(design.pins.size());
      net.count = 1 + static_cast<int>(others.size());
      net.weight = 1;
      // A tree through more pins is longer than half the perimeter of their box.
      net.length = net.count <= 3 ? 1 : static_cast<float>(1 + 0.028 * (std::min(net.count, kMostCounted) - 3));
      if (net.count > kTooMany) net.length = 0;
      net.histogram = net.count > kManyPins ? histograms++ : kNone;
      others.insert(others.begin(), driver);
      for (const int cell : others) {
        design.pins.push_back(cell);
        if (net.length > 0 && net.count > 1) design.nets_of[cell].push_back(index);
      }
      design.nets.push_back(net);
    }
  }
};
