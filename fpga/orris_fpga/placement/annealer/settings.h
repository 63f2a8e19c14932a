// What can be tuned; each has the name it has on the command line and in `AnnealerSettings`.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "design.h"

struct Settings {
  double seed = 1;
  double moves_per_cell = 900;       // tried in all, for each cell that can move
  double phases = 50;                // between which temperature, radius, timing and congestion are looked at
  double temperature = 2.5;          // at the start, in tiles of wire
  double cooling = 0.005;            // the share of it that is left at the end
  double radius = 12;                // of moves at the start, in tiles
  double period = 12;                // ns: paths beyond it are too slow
  double global_timing_weight = 4;   // by which nets of slow paths count more in global placement
  double timing_weight = 1;          // the same in annealing
  double connection_weight = 3;      // by which a slow path's own connections count
  double connection_share = 0.5;     // of the period: from here on a path is slow
  double connection_pressure = 4;    // power with which that weight grows while a path is too slow
  double most_pressure = 16;         // to which it grows
  double urgent_share = 0.1;         // of the moves: those of cells on the slowest paths
  double congestion_weight = 6;      // by which wires in full places count more
  double capacity = 60;              // wire that a tile takes before it is full
  double congestion_phase = 0;       // the first that looks at congestion
  double spread = 1.5;               // room for cells outside the array, of what they take

  void set(const std::string& argument) {
    const std::map<std::string, double*> known = {
        {"seed", &seed},
        {"moves_per_cell", &moves_per_cell},
        {"phases", &phases},
        {"temperature", &temperature},
        {"cooling", &cooling},
        {"radius", &radius},
        {"period", &period},
        {"global_timing_weight", &global_timing_weight},
        {"timing_weight", &timing_weight},
        {"connection_weight", &connection_weight},
        {"connection_share", &connection_share},
        {"connection_pressure", &connection_pressure},
        {"most_pressure", &most_pressure},
        {"urgent_share", &urgent_share},
        {"congestion_weight", &congestion_weight},
        {"capacity", &capacity},
        {"congestion_phase", &congestion_phase},
        {"spread", &spread},
    };
    const auto equals = argument.find('=');
    const auto found = known.find(argument.substr(0, equals));
    if (equals == std::string::npos || found == known.end()) throw Failure("the placer has no setting " + argument);
    *found->second = std::stod(argument.substr(equals + 1));
  }
};
