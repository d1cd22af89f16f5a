// The digest of bytes that are all there.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "qtz/core/sha256.h"

namespace qtz::test {

inline std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace qtz::test
