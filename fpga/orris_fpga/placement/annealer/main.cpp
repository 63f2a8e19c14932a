// Places a netlist: annealer NETLIST PLACEMENT [SETTING=VALUE]...
//
// Reads what `exchange.py` writes; writes a line for each placed cell: its number and its site's name.
// Exit status 2, with one line on stderr, when it cannot.

#include <cstdio>
#include <fstream>

#include "annealing.h"
#include "design.h"
#include "global_placement.h"
#include "legal_start.h"
#include "reading.h"
#include "settings.h"
#include "timing.h"

static void write(const Design& design, const std::string& path) {
  std::ofstream file(path);
  for (size_t index = 0; index < design.cells.size(); index++) {
    const Cell& cell = design.cells[index];
    if (cell.site >= 0) {
      file << index << ' ' << design.sites[cell.kind - kBlockRam][cell.site].name << '\n';
    } else if (cell.tile >= 0) {
      const Tile& tile = design.tiles[cell.tile];
      file << index << " X" << tile.x << "/Y" << tile.y << "/SLICE";
      if (cell.kind == kRamWrite) {
        file << "C.RAMW\n";
      } else {
        file << "ABCD"[cell.slot / 2] << (cell.kind == kLut ? ".K" : ".FF") << cell.slot % 2 << '\n';
      }
    }
  }
  file.flush();
  if (!file) throw Failure("the placer cannot write " + path);
}

int main(int count, char** arguments) {
  try {
    if (count < 3) throw Failure("usage: annealer NETLIST PLACEMENT [SETTING=VALUE]...");
    Settings settings;
    for (int i = 3; i < count; i++) settings.set(arguments[i]);
    Design design = Reader(arguments[1]).read();
    Timing timing(design);
    GlobalPlacement(design, settings, timing).run();
    LegalStart(design).run();
    Annealing(design, settings, timing).run();
    write(design, arguments[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
