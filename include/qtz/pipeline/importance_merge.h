// Importance matrices added up, as llama-imatrix does with --in-file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtz/formats/imatrix.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

struct NamedImatrix {
  StoredImatrix matrix;
  std::string name;  ///< for messages, printable
};

/// Sums and counts added, tensor by tensor in the order given; data sets joined; windows added. A tensor that
/// not all of them have is kept.
///
/// The result has windows of `chunk_size` tokens or, if that is 0, of as many as the first that says so, else
/// of 512. Counts are of tokens and not touched by this; where windows have other sizes, their number in the
/// result is that of as many tokens, with a warning. A .dat counts windows alone, whose size is taken to be
/// the result's, with a warning.
///
/// Throws input_invalid for what does not fit together: no tensor in common, other numbers of columns or of
/// experts; and for entries of a .dat that do not say how many windows they are of.
StoredImatrix merge_imatrices(std::vector<NamedImatrix> parts, std::uint64_t chunk_size);

/// Throws input_invalid unless the matrix has entries for some tensors of the model, and for each of them as
/// many columns and experts as it has.
void require_fits(const StoredImatrix& matrix, const std::string& name, const GgufModel& model);

}  // namespace qtz
