// Sequential reading of little-endian values from an untrusted file through a small buffer. Nothing is
// allocated for a length before it is known to fit in what is left of the file and in a fixed memory budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "qtz/core/bytes.h"
#include "qtz/core/input_file.h"

namespace qtz {

class ByteReader {
 public:
  /// `budget` bounds the bytes of all that charge() is told about. The file must outlive the reader.
  ByteReader(const InputFile& file, std::uint64_t budget);

  std::uint64_t position() const noexcept { return position_; }
  std::uint64_t remaining() const noexcept { return file_.size() - position_; }

  /// Reads exactly out.size() bytes. `what` names the field in the error when the file ends before that.
  void read(std::span<std::byte> out, std::string_view what);

  template <typename T>
  requires std::is_arithmetic_v<T> T read(std::string_view what) {
    std::byte bytes[sizeof(T)];
    read(bytes, what);
    return load_le<T>(bytes);
  }

  /// `count` values, refused before allocation when they are not all there.
  template <typename T>
  std::vector<T> read_array(std::uint64_t count, std::string_view what) {
    check_count(count, sizeof(T), what);
    charge(count * sizeof(T));
    std::vector<T> values(static_cast<std::size_t>(count));
    read(std::as_writable_bytes(std::span(values)), what);
    return values;
  }

  /// `length` bytes as text, with the same promise.
  std::string read_text(std::uint64_t length, std::string_view what);

  /// Throws input_invalid unless `count` items of at least `item_bytes` stored bytes can still follow.
  void check_count(std::uint64_t count, std::uint64_t item_bytes, std::string_view what) const;

  /// Accounts for memory about to be allocated; throws input_invalid when the budget is spent.
  void charge(std::uint64_t bytes);

  /// "PATH: `message`" as an input_invalid Error.
  [[noreturn]] void fail(const std::string& message, std::string hint = {}) const;

 private:
  const InputFile& file_;
  std::uint64_t position_ = 0;
  std::uint64_t budget_;
  std::uint64_t charged_ = 0;
  std::uint64_t buffer_start_ = 0;  ///< file offset of buffer_[0]
  std::vector<std::byte> buffer_;
};

}  // namespace qtz
