#include "formats/byte_reader.h"

#include <algorithm>
#include <cstring>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

constexpr std::uint64_t kBufferBytes = 64u << 10;

}  // namespace

ByteReader::ByteReader(const InputFile& file, std::uint64_t budget) : file_(file), budget_(budget) {}

void ByteReader::read(std::span<std::byte> out, std::string_view what) {
  if (out.size() > remaining()) {
    fail(std::string(what) + " at byte " + std::to_string(position_) + " needs " +
             std::to_string(out.size()) + " bytes but only " + std::to_string(remaining()) + " are left",
         "the file is incomplete or damaged; fetch it again");
  }
  while (!out.empty()) {
    const std::uint64_t at = position_ - buffer_start_;
    if (position_ < buffer_start_ || at >= buffer_.size()) {
      if (out.size() >= kBufferBytes) {  // large pieces go straight to their place
        file_.read(position_, out);
        position_ += out.size();
        return;
      }
      buffer_.resize(static_cast<std::size_t>(std::min(kBufferBytes, remaining())));
      file_.read(position_, buffer_);
      buffer_start_ = position_;
      continue;
    }
    const std::size_t take = std::min<std::size_t>(out.size(), buffer_.size() - static_cast<std::size_t>(at));
    std::memcpy(out.data(), buffer_.data() + at, take);
    out = out.subspan(take);
    position_ += take;
  }
}

std::string ByteReader::read_text(std::uint64_t length, std::string_view what) {
  check_count(length, 1, what);
  charge(length);
  std::string text(static_cast<std::size_t>(length), '\0');
  read(std::as_writable_bytes(std::span(text)), what);
  return text;
}

void ByteReader::check_count(std::uint64_t count, std::uint64_t item_bytes, std::string_view what) const {
  const auto bytes = checked_mul(count, item_bytes);
  if (bytes && *bytes <= remaining()) return;
  fail(std::string(what) + " at byte " + std::to_string(position_) + " claims " + std::to_string(count) +
           (item_bytes == 1 ? " bytes" : " items") + " but only " + std::to_string(remaining()) +
           " bytes of the file are left",
       "the file is incomplete or damaged; fetch it again");
}

void ByteReader::charge(std::uint64_t bytes) {
  const auto sum = checked_add(charged_, bytes);
  if (!sum || *sum > budget_)
    fail("metadata needs more than the limit of " + format_bytes(budget_) + " of memory");
  charged_ = *sum;
}

void ByteReader::fail(const std::string& message, std::string hint) const {
  throw Error(ErrorKind::input_invalid, printable(file_.path().native()) + ": " + message, std::move(hint));
}

}  // namespace qtz
