#include "report/text_canvas.h"

#include <fmt/format.h>

#include <utility>

#include "report/render_text.h"
#include "report/text_safety.h"

namespace zxctl::report {
namespace {

constexpr size_t kLabelWidth = 11;
constexpr std::string_view kReset = "\x1b[0m";

std::string_view Code(Ink ink) {
  switch (ink) {
    case Ink::kPlain:
      return "";
    case Ink::kTitle:
      return "\x1b[1m";
    case Ink::kAlarm:
      return "\x1b[1;31m";
    case Ink::kFunction:
      return "\x1b[33m";
    case Ink::kPlace:
      return "\x1b[36m";
    case Ink::kFaint:
      return "\x1b[2m";
  }
  return "";
}

size_t Width(const Pieces& pieces) {
  size_t width = 0;
  for (const Piece& piece : pieces) width += DisplayWidth(piece.text);
  return width;
}

std::string_view TakeWord(std::string_view& text) {
  const size_t start = text.find_first_not_of(' ');
  if (start == std::string_view::npos) return {};
  const size_t end = text.find(' ', start);
  const std::string_view word = text.substr(start, end - start);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  return word;
}

}  // namespace

void TextCanvas::Blank() {
  Prefix();
  out_.pop_back();
  out_ += '\n';
}

void TextCanvas::Title(std::string_view title) {
  Blank();
  Line(0, Pieces{{std::string(title), Ink::kTitle}});
}

void TextCanvas::Line(size_t indent, const Pieces& pieces) {
  Prefix();
  out_.append(indent, ' ');
  for (const Piece& piece : pieces) Paint(piece);
  out_ += '\n';
}

void TextCanvas::LineOrTwo(size_t indent, const Pieces& head, size_t tail_indent, const Pieces& tail) {
  Pieces whole = head;
  if (indent + Width(head) + Width(tail) + 1 <= Room()) {
    whole.push_back({" "});
    whole.insert(whole.end(), tail.begin(), tail.end());
    return Line(indent, whole);
  }
  Line(indent, head);
  Line(tail_indent, tail);
}

void TextCanvas::Wrapped(size_t indent, std::string_view text, Ink ink) { Wrap(indent, {}, 2, text, ink); }

void TextCanvas::Labelled(size_t indent, std::string_view label, std::string_view text) {
  const Piece piece{fmt::format("{:<{}}", label, kLabelWidth), Ink::kFaint};
  Wrap(indent, piece, kLabelWidth, text, Ink::kPlain);
}

void TextCanvas::Wrap(size_t indent, const Piece& label, size_t hang, std::string_view text, Ink ink) {
  Piece head = label;
  std::string line;
  for (std::string_view word = TakeWord(text); !word.empty(); word = TakeWord(text)) {
    const size_t used = indent + DisplayWidth(head.text) + DisplayWidth(line);
    if (!line.empty() && used + 1 + DisplayWidth(word) > Room()) {
      Line(indent, Pieces{std::exchange(head, Piece{std::string(hang, ' ')}), {std::exchange(line, ""), ink}});
    } else if (!line.empty()) {
      line += ' ';
    }
    line += word;
  }
  if (!line.empty()) Line(indent, Pieces{head, {line, ink}});
}

size_t TextCanvas::Room() const { return columns_ - kTextPrefix.size(); }

void TextCanvas::Prefix() {
  // The blank after the mark stays outside of the colour, so that Blank() can take it back.
  Paint({std::string(kTextPrefix.substr(0, kTextPrefix.size() - 1)), Ink::kFaint});
  out_ += ' ';
}

void TextCanvas::Paint(const Piece& piece) {
  const bool colored = color_ && piece.ink != Ink::kPlain && !piece.text.empty();
  if (colored) out_ += Code(piece.ink);
  out_ += piece.text;
  if (colored) out_ += kReset;
}

}  // namespace zxctl::report
