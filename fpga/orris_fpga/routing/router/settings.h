// What can be tuned; each has the name it has on the command line and in `RouterSettings`.
#pragma once

#include <map>
#include <string>

#include "../../cpp/netlist.h"

struct Settings {
  double rounds = 60;           // at most
  double patience = 12;         // rounds without fewer overused wires than ever before, after which it gives up
  double pressure = 0.5;        // what a wire costs more for each other net on it, as a share
  double pressure_growth = 1.5; // from a round to the next
  double most_pressure = 100;
  double history = 0.4;         // what a wire costs more for each round and net too many
  double wire_cost = 0.10;      // ns: of each wire, beside its delay
  double tile_cost = 0.10;      // ns: estimated for each tile that is left to go
  double greed = 1.1;           // by which the estimate counts more
  double margin = 8;            // tiles round a net's pins in which it looks for a way first
  double period = 12.5;         // ns: as fast as it should get
  double sharpness = 4;         // power with which a connection becomes critical
  double outliers = 0.001;      // share of connections on longer paths than the one that counts as the longest
  double way_round = 0.5;       // share of its slowest path's slack that a connection may take more
  double most_critical = 0.97;
  double critical = 0.5;        // from here on connections are routed again, whatever wires they have
  double timed_rounds = 8;      // in these rounds, and after legal ones
  double refinements = 3;       // legal rounds that may be no faster than the fastest
  double refinement_pressure = 10;

  void set(const std::string& argument) {
    const std::map<std::string, double*> known = {
        {"rounds", &rounds},
        {"patience", &patience},
        {"pressure", &pressure},
        {"pressure_growth", &pressure_growth},
        {"most_pressure", &most_pressure},
        {"history", &history},
        {"wire_cost", &wire_cost},
        {"tile_cost", &tile_cost},
        {"greed", &greed},
        {"margin", &margin},
        {"period", &period},
        {"sharpness", &sharpness},
        {"outliers", &outliers},
        {"way_round", &way_round},
        {"most_critical", &most_critical},
        {"critical", &critical},
        {"timed_rounds", &timed_rounds},
        {"refinements", &refinements},
        {"refinement_pressure", &refinement_pressure},
    };
    const auto equals = argument.find('=');
    const auto found = known.find(argument.substr(0, equals));
    if (equals == std::string::npos || found == known.end()) throw Failure("the router has no setting " + argument);
    *found->second = std::stod(argument.substr(equals + 1));
  }
};
