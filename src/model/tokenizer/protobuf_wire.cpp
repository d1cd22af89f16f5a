#include "model/tokenizer/protobuf_wire.h"

#include <bit>
#include <string>

#include "qtz/core/bytes.h"
#include "qtz/core/error.h"

namespace qtz {

float WireField::as_float() const noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value));
}

void WireReader::refuse(std::string_view problem) const {
  throw Error(ErrorKind::input_invalid,
              "not a SentencePiece model: " + std::string(problem) + " at byte " + std::to_string(offset()));
}

std::uint64_t WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at_ == message_.size()) refuse("the data ends inside a number");
    const auto byte = static_cast<unsigned char>(message_[at_++]);
    if (shift == 63 && byte > 1) refuse("a number of more than 64 bits");
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  refuse("a number of more than ten bytes");
}

std::string_view WireReader::take(std::uint64_t count) {
  const std::size_t left = message_.size() - at_;
  if (count > left) {
    refuse("a field of " + std::to_string(count) + " bytes where " + std::to_string(left) + " are left");
  }
  const std::string_view bytes = message_.substr(at_, static_cast<std::size_t>(count));
  at_ += bytes.size();
  return bytes;
}

std::optional<WireField> WireReader::next() {
  field_at_ = at_;
  if (at_ == message_.size()) return std::nullopt;
  const std::uint64_t tag = varint();
  WireField field;
  if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) refuse("field number " + std::to_string(tag >> 3));
  field.number = static_cast<std::uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0:
      field.kind = WireField::Kind::varint;
      field.value = varint();
      return field;
    case 1:
      field.kind = WireField::Kind::fixed64;
      field.value = load_le<std::uint64_t>(std::as_bytes(std::span(take(8))).data());
      return field;
    case 2:
      field.kind = WireField::Kind::bytes;
      field.bytes = take(varint());
      return field;
    case 5:
      field.kind = WireField::Kind::fixed32;
      field.value = load_le<std::uint32_t>(std::as_bytes(std::span(take(4))).data());
      return field;
    default:
      refuse("wire type " + std::to_string(tag & 7) + " of field " + std::to_string(field.number));
  }
}

}  // namespace qtz
