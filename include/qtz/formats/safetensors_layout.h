// Writing safetensors: headers, and where every tensor goes. Several files have an index, as the hub's
// folders do. Pure: nothing is written here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "qtz/core/dtype.h"
#include "qtz/core/shape.h"

namespace qtz {

/// A tensor to be stored.
struct SafetensorsTensor {
  std::string name;
  DType dtype;  ///< one that safetensors has
  Shape shape;
};

struct SafetensorsLayout {
  struct File {
    std::string name;  ///< "model.safetensors", or "model-00001-of-00003.safetensors"
    std::vector<std::byte> header;
    std::uint64_t bytes = 0;
  };
  struct Place {
    std::uint32_t file;
    std::uint64_t offset;  ///< absolute
    std::uint64_t bytes;
  };
  std::vector<File> files;
  std::vector<Place> places;  ///< of the tensors as they were given
  std::string index;          ///< text of model.safetensors.index.json; empty where there is one file
};

inline constexpr const char* kSafetensorsIndexName = "model.safetensors.index.json";

/// A new file begins where the tensors of one would pass `split_max_bytes`; 0: one file. Files take tensors
/// in the order given; in each, wider elements come first, so that every tensor is aligned to its own. Throws
/// input_invalid for a type that safetensors has no word for.
SafetensorsLayout make_safetensors_layout(std::span<const SafetensorsTensor> tensors,
                                          std::uint64_t split_max_bytes);

}  // namespace qtz
