#include "report/memory_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace zxctl::report {

std::optional<uint64_t> MemorySource::ReadWord(uint64_t address, size_t word_bytes) {
  uint64_t value = 0;
  const auto out = std::as_writable_bytes(std::span(&value, 1)).first(word_bytes);
  if (Read(address, out) != word_bytes) return std::nullopt;
  return value;
}

std::string MemorySource::ReadString(uint64_t address, size_t max_bytes) {
  std::string text(max_bytes, '\0');
  text.resize(Read(address, std::as_writable_bytes(std::span(text))));
  return text.substr(0, text.find('\0'));
}

const MemoryReader::Page* MemoryReader::FindPage(uint64_t number) {
  if (number == last_number_) return last_page_;
  auto found = pages_.find(number);
  if (found == pages_.end()) {
    if (pages_.size() >= kMaxPages) pages_.clear();
    auto page = std::make_unique<Page>();
    const ssize_t got = pread(fd_, page->data(), kPageBytes, static_cast<off_t>(number * kPageBytes));
    if (got != static_cast<ssize_t>(kPageBytes)) page.reset();
    found = pages_.emplace(number, std::move(page)).first;
  }
  last_number_ = number;
  last_page_ = found->second.get();
  return last_page_;
}

size_t MemoryReader::Read(uint64_t address, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t at = address + done;
    if (at < address) break;
    const Page* page = FindPage(at / kPageBytes);
    if (page == nullptr) break;
    const size_t in_page = at % kPageBytes;
    const size_t count = std::min(kPageBytes - in_page, out.size() - done);
    std::memcpy(out.data() + done, page->data() + in_page, count);
    done += count;
  }
  return done;
}

}  // namespace zxctl::report
