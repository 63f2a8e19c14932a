// Reads the text in which Python hands over a netlist: sections with a name and a number of lines, then numbers.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "netlist.h"

class Text {
 public:
  // `whose` it is, for the user.
  Text(const std::string& path, const std::string& whose) : file_(path), whose_(whose) {
    if (!file_) throw Failure(whose + " cannot read " + path);
  }

  std::string word() {
    std::string text;
    if (!(file_ >> text)) throw Failure(whose_ + "'s netlist ends early");
    return text;
  }

  int number() {
    int value;
    if (!(file_ >> value)) throw Failure(whose_ + "'s netlist ends early, or is none");
    return value;
  }

  std::vector<int> numbers(int count) {
    std::vector<int> values(count);
    for (int& value : values) value = number();
    return values;
  }

  int section(const std::string& name) {
    if (word() != name) throw Failure(whose_ + "'s netlist has no section " + name);
    return number();
  }

 private:
  std::ifstream file_;
  std::string whose_;
};
