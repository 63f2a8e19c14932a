// Negotiated congestion (McMurchie and Ebeling, PathFinder, 1995): nets may share wires at first, and what is
// shared gets dearer from round to round, until each net has wires of its own. Connections of slow paths go by
// their delay more than by what wires cost.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

#include "design.h"
#include "graph.h"
#include "search.h"
#include "settings.h"
#include "timing.h"
#include "tree.h"

class Negotiation {
 public:
  Negotiation(Design& design, const Graph& graph, const Settings& settings, Timing& timing)
      : design_(design), graph_(graph), settings_(settings), timing_(timing), congestion_(graph.wires()), tree_(graph),
        search_(graph, settings, congestion_, tree_) {
    for (const Net& net : design.nets) congestion_.nets[net.source]++;
  }

  // Leaves the fastest legal routes. Prints a line for each round: its number, connections routed in it, wires
  // taken, wires overused, slowest path in ns.
  void run() {
    timing_.look();
    congestion_.pressure = static_cast<float>(settings_.pressure);
    refining_ = settings_.timed_rounds > 0;
    size_t least = graph_.wires();
    int best = 0, no_faster = 0;
    for (int round = 1; round <= settings_.rounds; round++) {
      round_ = round;
      route_round();
      timing_.measure();
      const float slowest = timing_.look();
      const size_t open = settle(slowest);
      if (open == 0) {
        no_faster = keep(slowest) ? 0 : no_faster + 1;
        if (fastest_ <= settings_.period || no_faster >= settings_.refinements) break;
        congestion_.pressure = static_cast<float>(settings_.refinement_pressure);
        timing_.give_way = 0;
        refining_ = true;
        continue;
      }
      if (open < least) least = open, best = round;
      const int stuck = kept_.empty() ? round - best : 0;
      timing_.give_way = stuck > 0 ? kGivenWay * std::pow(kGivenMore, stuck) : 0;
      if (kept_.empty() && round - best >= settings_.patience) break;
      congestion_.pressure = static_cast<float>(std::min(congestion_.pressure * settings_.pressure_growth, settings_.most_pressure));
      refining_ = kept_.empty() && round < settings_.timed_rounds;
      // Where critical connections alone fight for wires, delay has to count less for one of them to yield.
      share_ = kept_.empty() && round > settings_.timed_rounds ? share_ * kYielding : 1;
    }
    if (kept_.empty()) give_up();
    size_t next = 0;
    for (Net& net : design_.nets) {
      for (Connection& connection : net.connections) connection.path = kept_[next++];
    }
  }

 private:
  static constexpr float kClasses = 20;  // of criticality, in the order of which connections are routed

  bool wanting(const Connection& connection) const {
    if (connection.path.empty() || (refining_ && connection.critical > settings_.critical)) return true;
    for (const uint32_t edge : connection.path) {
      if (congestion_.nets[graph_.target(edge)] > 1) return true;
    }
    return false;
  }

  void route_round() {
    routed_ = lost_ = 0;
    for (Net& net : design_.nets) {
      const auto is_wanting = [&](const Connection& connection) { return wanting(connection); };
      if (std::any_of(net.connections.begin(), net.connections.end(), is_wanting)) route(net);
    }
  }

  // Takes up the connections of a net that lie on overused wires, or are critical, and routes them again: critical
  // ones first, then from near to far. Where one found no way, as others of its net lie around its pin, it comes
  // first, and all others again.
  void route(Net& net) {
    tree_.begin(net.source);
    for (const Connection& connection : net.connections) tree_.add(connection.path, [](uint32_t) {});
    const auto lost = [](const Connection& connection) { return connection.lost; };
    const bool anew = std::any_of(net.connections.begin(), net.connections.end(), lost);
    std::vector<Connection*> open;
    for (Connection& connection : net.connections) {
      if (anew || wanting(connection)) open.push_back(&connection);
    }
    for (Connection* connection : open) {
      tree_.remove(connection->path, [&](uint32_t wire) { congestion_.nets[wire]--; });
      connection->path.clear();
    }
    const Box& from = graph_.reach(net.source);
    const auto order = [&](const Connection* connection) {
      return std::tuple(!connection->lost, -static_cast<int>(connection->critical * kClasses),
                        from.distance(connection->x, connection->y));
    };
    std::stable_sort(open.begin(), open.end(), [&](const Connection* a, const Connection* b) { return order(a) < order(b); });
    for (Connection* connection : open) {
      routed_++;
      connection->lost = !search_.run(net, *connection, connection->critical * share_);
      lost_ += connection->lost;
      tree_.add(connection->path, [&](uint32_t wire) { congestion_.nets[wire]++; });
    }
  }

  // Makes overused wires dearer; returns how many there are, and connections without a route.
  size_t settle(float slowest) {
    size_t taken = 0;
    overused_ = 0;
    for (uint32_t wire = 0; wire < graph_.wires(); wire++) {
      const int nets = congestion_.nets[wire];
      taken += nets > 0, overused_ += nets > 1;
      if (nets > 1) congestion_.history[wire] += static_cast<float>(settings_.history * (nets - 1));
    }
    std::printf("round %d %zu %zu %zu %.2f\n", round_, routed_, taken, overused_, static_cast<double>(slowest));
    std::fflush(stdout);
    return overused_ + lost_;
  }

  // Keeps legal routes if they are the fastest.
  bool keep(float slowest) {
    if (!kept_.empty() && slowest >= fastest_ - kFaster) return false;
    fastest_ = slowest;
    kept_.clear();
    for (const Net& net : design_.nets) {
      for (const Connection& connection : net.connections) kept_.push_back(connection.path);
    }
    return true;
  }

  [[noreturn]] void give_up() const {
    std::string what = std::to_string(overused_) + " wires are overused";
    if (lost_) what += " and " + std::to_string(lost_) + " connections have none";
    throw Failure("after " + std::to_string(round_) + " rounds of routing " + what +
                  ": build a smaller configuration, or try another --seed");
  }

  static constexpr float kFaster = 0.005f;  // ns
  static constexpr float kYielding = 0.8f;
  static constexpr double kGivenWay = 0.1, kGivenMore = 1.5;  // ns, and from round to round

  Design& design_;
  const Graph& graph_;
  const Settings& settings_;
  Timing& timing_;
  Congestion congestion_;
  Tree tree_;
  Search search_;
  float share_ = 1;  // of criticality that counts
  bool refining_ = false;  // critical connections are routed again, also where their wires are their own
  int round_ = 0;
  size_t routed_ = 0, lost_ = 0, overused_ = 0;
  float fastest_ = 0;
  std::vector<std::vector<uint32_t>> kept_;
};
