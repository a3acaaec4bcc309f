// Lines of a text report: prefix, indentation, colour, wrapping. All text that comes in has been made safe already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zxctl::report {

enum class Ink : uint8_t {
  kPlain,
  kTitle,     // section titles
  kAlarm,     // what went wrong
  kFunction,  // names of functions and registers
  kPlace,     // files and lines
  kFaint,     // what most readers skip
};

struct Piece {
  std::string text;
  Ink ink = Ink::kPlain;
};

using Pieces = std::vector<Piece>;

class TextCanvas {
 public:
  TextCanvas(bool color, size_t columns) : color_(color), columns_(columns < 40 ? 40 : columns) {}

  void Blank();
  // A section's title after an empty line.
  void Title(std::string_view title);
  void Line(size_t indent, const Pieces& pieces);
  void Line(size_t indent, std::string_view text) { Line(indent, Pieces{{std::string(text)}}); }
  // Head and tail on one line if it fits, else the tail on a line of its own at `tail_indent`.
  void LineOrTwo(size_t indent, const Pieces& head, size_t tail_indent, const Pieces& tail);
  // Words wrapped at the width; a word that is wider stays whole. Further lines are indented by two more.
  void Wrapped(size_t indent, std::string_view text, Ink ink = Ink::kPlain);
  // The same behind a label; further lines start below the first one's text.
  void Labelled(size_t indent, std::string_view label, std::string_view text);

  // Columns that are left beside the prefix.
  [[nodiscard]] size_t Room() const;
  [[nodiscard]] std::string Take() { return std::move(out_); }

 private:
  void Prefix();
  void Wrap(size_t indent, const Piece& label, size_t hang, std::string_view text, Ink ink);
  void Paint(const Piece& piece);

  bool color_;
  size_t columns_;
  std::string out_;
};

}  // namespace zxctl::report
