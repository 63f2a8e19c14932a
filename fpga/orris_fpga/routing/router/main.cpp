// Routes nets: router DATABASE SPEED NETS ROUTES [SETTING=VALUE]...
//
// Reads nextpnr's chip database (SPEED is the number of the speed grade) and what `exchange.py` writes; writes a
// line for each net: the numbers of its pips. Exit status 2, with one line on stderr, when it cannot.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "chip_database.h"
#include "design.h"
#include "graph.h"
#include "negotiation.h"
#include "reading.h"
#include "settings.h"
#include "timing.h"

static void write(const Design& design, const Graph& graph, const std::string& path) {
  std::ofstream file(path);
  for (const Net& net : design.nets) {
    std::vector<uint32_t> pips;
    for (const Connection& connection : net.connections) {
      uint32_t wire = net.source;
      for (const uint32_t edge : connection.path) {
        pips.push_back(graph.pip(wire, edge));
        wire = graph.target(edge);
      }
    }
    std::sort(pips.begin(), pips.end());
    pips.erase(std::unique(pips.begin(), pips.end()), pips.end());
    for (const uint32_t pip : pips) file << pip << ' ';
    file << '\n';
  }
  file.flush();
  if (!file) throw Failure("the router cannot write " + path);
}

int main(int count, char** arguments) {
  try {
    if (count < 5) throw Failure("usage: router DATABASE SPEED NETS ROUTES [SETTING=VALUE]...");
    Settings settings;
    for (int i = 5; i < count; i++) settings.set(arguments[i]);
    const ChipDatabase database(arguments[1], std::stoi(arguments[2]));
    Design design = Reader(arguments[3]).read(database);
    const Graph graph(database, design);
    locate(design, database, graph);
    Timing timing(design, graph, settings);
    Negotiation(design, graph, settings, timing).run();
    write(design, graph, arguments[4]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
