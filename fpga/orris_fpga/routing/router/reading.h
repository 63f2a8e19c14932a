// Reads what is to be routed from the text that `exchange.py` writes.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "../../cpp/text.h"
#include "chip_database.h"
#include "design.h"
#include "graph.h"

class Reader : Text {
 public:
  explicit Reader(const std::string& path) : Text(path, "the router") {}

  Design read(const ChipDatabase& database) {
    Design design;
    design.exchanges.resize(database.tiles);
    for (auto& luts : design.exchanges) luts.fill(kAny);
    for (int count = section("luts"); count; count--) {
      const int tile = below(database.tiles), lut = below(static_cast<int>(design.exchanges[tile].size()));
      design.exchanges[tile][lut] = static_cast<uint8_t>(number());
    }
    for (int count = section("cells"); count; count--) {
      const Kind kind = static_cast<Kind>(number());
      design.cells.push_back({kind, number()});
    }
    const int cells = static_cast<int>(design.cells.size());
    for (int count = section("chains"); count; count--) {
      design.chains.emplace_back(number());
      for (int& lut : design.chains.back()) lut = below(cells);
    }
    for (int count = section("nets"); count; count--) {
      const int sinks = number();
      design.drivers.push_back(below(cells));
      design.sinks.emplace_back();
      Net net;
      net.source = static_cast<uint32_t>(number());
      for (int i = 0; i < sinks; i++) {
        const int cell = below(cells), pin = number();
        design.sinks.back().push_back({cell, pin});
        add_sink(net, static_cast<uint32_t>(number()));
      }
      design.nets.push_back(std::move(net));
    }
    return design;
  }

 private:
  int below(int limit) {
    const int value = number();
    if (value < 0 || value >= limit) throw Failure("the router's netlist has a number that is too large");
    return value;
  }

  // Wires that more than one pin is at are connected once.
  static void add_sink(Net& net, uint32_t wire) {
    size_t at = 0;
    while (at < net.connections.size() && net.connections[at].sink != wire) at++;
    if (at == net.connections.size()) net.connections.push_back({wire, 0, 0, {}});
    net.connection_of.push_back(static_cast<int>(at));
  }
};

// Where the pins of the nets lie, and what their connections take by estimate.
inline void locate(Design& design, const ChipDatabase& database, const Graph& graph) {
  for (Net& net : design.nets) {
    const auto place = [&](uint32_t wire) {
      if (wire >= graph.wires()) throw Failure("the router's netlist has a wire that the device has not");
      const int tile = graph.tile(wire);
      return std::pair(tile % database.columns, tile / database.columns);
    };
    const auto [x, y] = place(net.source);
    net.box = {x, x, y, y};
    for (Connection& connection : net.connections) {
      std::tie(connection.x, connection.y) = place(connection.sink);
      net.box.include(connection.x, connection.y);
      connection.delay = Paths::estimated_wire(connection.x - x, connection.y - y);
    }
  }
}
