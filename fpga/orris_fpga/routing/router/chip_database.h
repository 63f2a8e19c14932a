// The routing of an ECP5 as nextpnr's chip database has it: wires and the pips between them, tile by tile.
//
// Tiles refer to types, which hold what is the same in many tiles. Offsets are in bytes from where they stand.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../../cpp/netlist.h"

class ChipDatabase {
 public:
  struct Slice {
    size_t start;
    int count;
  };

  struct Pip {
    int target_tile, target;  // the wire it leads to, of that tile
    int delays;               // its number in `delays`
    int permutation;          // of a LUT's inputs: 0, or kPermutes with the LUT and the inputs
  };

  // At the longest, in ns.
  struct Delay {
    float alone, of_each;  // and for each wire that its source drives
  };

  static constexpr int kPermutes = 0x4000;
  static int lut_of(int permutation) { return permutation >> 4 & 7; }
  static int input_from(int permutation) { return permutation >> 2 & 3; }
  static int input_to(int permutation) { return permutation & 3; }

  ChipDatabase(const std::string& path, int speed) {
    const int file = open(path.c_str(), O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) throw Failure("the router cannot read " + path);
    size_ = static_cast<size_t>(status.st_size);
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (mapped == MAP_FAILED) throw Failure("the router cannot map " + path);
    bytes_ = static_cast<const char*>(mapped);
    const size_t chip = pointed(0);
    columns = value<int32_t>(chip), rows = value<int32_t>(chip + 4), tiles = value<int32_t>(chip + 8);
    if (columns <= 0 || rows <= 0 || static_cast<int64_t>(columns) * rows != tiles) fail();
    const Slice types = slice(chip + 16, kType), of_tiles = slice(chip + 24, 4);
    if (of_tiles.count != tiles) fail();
    for (int tile = 0; tile < tiles; tile++) {
      const int type = value<int32_t>(of_tiles.start + 4u * tile);
      if (type < 0 || type >= types.count) fail();
      const size_t at = types.start + kType * type;
      wires_.push_back(slice(at + 8, kWire)), pips_.push_back(slice(at + 16, kPip));
    }
    const Slice speeds = slice(chip + 72, kSpeed);
    if (speed >= speeds.count) fail();
    const Slice classes = slice(speeds.start + kSpeed * speed + 8, kDelays);
    const auto nanoseconds = [&](size_t at) { return 1e-3f * static_cast<float>(value<int32_t>(at)); };
    for (int i = 0; i < classes.count; i++) {
      const size_t at = classes.start + kDelays * i;
      delays.push_back({nanoseconds(at + 4), nanoseconds(at + 12)});
    }
  }

  ~ChipDatabase() { munmap(const_cast<char*>(bytes_), size_); }
  ChipDatabase(const ChipDatabase&) = delete;
  ChipDatabase& operator=(const ChipDatabase&) = delete;

  int wires(int tile) const { return wires_[tile].count; }
  int pips(int tile) const { return pips_[tile].count; }

  // Pips that lead away from a wire, given to a function as (tile, number in it, pip).
  template <typename Function>
  void leaving(int tile, int wire, Function function) const {
    const Slice list = slice(wires_[tile].start + kWire * wire + 16, kPipPlace);
    for (int i = 0; i < list.count; i++) {
      const size_t place = list.start + kPipPlace * i;
      const int of_tile = neighbour(tile, place), number = value<int32_t>(place + 4);
      if (number < 0 || number >= pips_[of_tile].count) fail();
      const size_t at = pips_[of_tile].start + kPip * number;
      Pip pip;
      pip.target_tile = neighbour(of_tile, at + 4), pip.target = value<uint16_t>(at + 10);
      pip.delays = value<int16_t>(at + 12), pip.permutation = value<uint16_t>(at + 16);
      if (pip.target >= wires(pip.target_tile) || pip.delays < 0 || pip.delays >= static_cast<int>(delays.size())) fail();
      function(of_tile, number, pip);
    }
  }

  // Tiles in which a wire meets pins, given to a function.
  template <typename Function>
  void pin_tiles(int tile, int wire, Function function) const {
    const Slice list = slice(wires_[tile].start + kWire * wire + 24, kPin);
    for (int i = 0; i < list.count; i++) function(neighbour(tile, list.start + kPin * i));
  }

  int columns, rows, tiles;
  std::vector<Delay> delays;  // of each class of pips

 private:
  static constexpr size_t kType = 24, kWire = 32, kPip = 20, kPipPlace = 8, kPin = 12, kSpeed = 16, kDelays = 16;

  [[noreturn]] static void fail() { throw Failure("nextpnr's chip database is not of the layout that the router knows"); }

  template <typename T>
  T value(size_t at) const {
    if (at + sizeof(T) > size_ || at + sizeof(T) < at) fail();
    T result;
    std::memcpy(&result, bytes_ + at, sizeof(T));
    return result;
  }

  size_t pointed(size_t at) const { return at + static_cast<int64_t>(value<int32_t>(at)); }

  Slice slice(size_t at, size_t item) const {
    const Slice found{pointed(at), value<int32_t>(at + 4)};
    if (found.count == 0) return {0, 0};  // the offset means nothing
    if (found.count < 0 || found.start > size_ || found.count * item > size_ - found.start) fail();
    return found;
  }

  // The tile to which a relative place, x and y, leads.
  int neighbour(int tile, size_t at) const {
    const int x = tile % columns + value<int16_t>(at), y = tile / columns + value<int16_t>(at + 2);
    if (x < 0 || x >= columns || y < 0 || y >= rows) fail();
    return y * columns + x;
  }

  const char* bytes_;
  size_t size_;
  std::vector<Slice> wires_, pips_;  // of a tile
};
