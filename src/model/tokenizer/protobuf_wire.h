// Protocol-buffer wire format, as much as a SentencePiece model needs: one message seen as a sequence of
// fields, every length checked against what is left, nothing recursive. Format: protobuf.dev, "Encoding".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace qtz {

struct WireField {
  enum class Kind { varint, fixed64, bytes, fixed32 };

  std::uint32_t number = 0;
  Kind kind = Kind::varint;
  std::uint64_t value = 0;  ///< of varint, fixed64 and fixed32
  std::string_view bytes;   ///< of bytes; points into the message

  bool as_bool() const noexcept { return value != 0; }
  float as_float() const noexcept;  ///< of fixed32
};

class WireReader {
 public:
  /// `message` must outlive the reader; `base` is its offset in the file, for messages.
  explicit WireReader(std::string_view message, std::uint64_t base = 0) : message_(message), base_(base) {}

  /// The next field; empty at the end. Throws input_invalid with the offset for a varint of more than ten
  /// bytes, a length beyond the message, a group or an unknown wire type, field number 0.
  std::optional<WireField> next();

  /// File offset of the field last returned.
  std::uint64_t offset() const noexcept { return base_ + field_at_; }

 private:
  std::uint64_t varint();
  std::string_view take(std::uint64_t count);
  [[noreturn]] void refuse(std::string_view problem) const;

  std::string_view message_;
  std::uint64_t base_;
  std::size_t at_ = 0;
  std::size_t field_at_ = 0;
};

}  // namespace qtz
