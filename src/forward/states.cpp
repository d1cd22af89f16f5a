#include "qtz/forward/states.h"

#include <algorithm>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {

namespace {

std::uint64_t bytes_of(std::uint64_t rows, std::uint64_t width) {
  const auto values = checked_mul(rows, width);
  const auto bytes = values ? checked_mul(*values, std::uint64_t{sizeof(float)}) : std::nullopt;
  if (bytes) return *bytes;
  throw Error(ErrorKind::resource, std::to_string(rows) + " states of " + std::to_string(width) +
                                       " elements are more than any memory holds");
}

}  // namespace

States::States(std::uint64_t rows, std::uint64_t width, StatePlace place) : rows_(rows), width_(width) {
  const std::uint64_t bytes = bytes_of(rows, width);
  if (place == StatePlace::scratch_file) {
    file_ = std::make_unique<ScratchFile>(bytes);
  } else {
    values_.resize(rows * width);
  }
}

void States::read(std::uint64_t first, std::uint64_t count, float* out) const {
  QTZ_CHECK(first <= rows_ && count <= rows_ - first);
  if (file_ != nullptr) {
    file_->read(first * width_ * sizeof(float), std::as_writable_bytes(std::span(out, count * width_)));
  } else {
    std::copy_n(values_.data() + first * width_, count * width_, out);
  }
}

void States::write(std::uint64_t first, std::uint64_t count, const float* values) {
  QTZ_CHECK(first <= rows_ && count <= rows_ - first);
  if (file_ != nullptr) {
    file_->write(first * width_ * sizeof(float), std::as_bytes(std::span(values, count * width_)));
  } else {
    std::copy_n(values, count * width_, values_.data() + first * width_);
  }
}

}  // namespace qtz
