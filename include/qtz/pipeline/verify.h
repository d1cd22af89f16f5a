// Reading an artifact back: structure, every block's validity and, given the source, the error of each tensor
// against the band its type is expected to stay in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/manifest.h"
#include "qtz/pipeline/plan.h"

namespace qtz {

struct TensorReport {
  std::string name;
  DType type;
  std::uint64_t elements = 0;
  bool decoded = false;     ///< every block was looked into; else the type's blocks are not known to qtz
  bool compared = false;    ///< the fields below are filled
  bool reproduced = false;  ///< the bytes are those that qtz makes of the source
  double rmse = 0;          ///< root mean square error
  double max_abs = 0;       ///< largest absolute error
  double cosine = 1;        ///< cosine similarity
  double sqnr_db = 0;       ///< 10 log10(signal / error); infinite where there is no error
  double noise_ratio =
      0;  ///< squared error relative to the one that the type's steps foretell; about 1 is usual
  std::string problem;  ///< empty, or what is wrong
};

struct VerifyReport {
  std::vector<TensorReport> tensors;  ///< in file order
  std::vector<std::string> problems;  ///< of the file as a whole
  std::string hint;                   ///< what to do about a file that cannot be read; may be empty
  std::vector<std::string> warnings;  ///< what is unusual, or could not be checked as well as it might be
  bool ok() const noexcept;
};

struct VerifyOptions {
  unsigned threads = 0;  ///< 0: all cores
  /// Encode the source again and compare bytes. Always in addition to the error bands. Where a file says that
  /// it was made by this version of qtz, and the importance matrix it names, if any, was given, other bytes
  /// are a problem: a flipped bit shows.
  bool encode_again = true;
  /// NaN and infinite values are no problem in tensors that are copied (F32, F16, BF16): --on-nan keep.
  bool keep_nonfinite = false;
  /// Hashes that the artifact and, where given, the files of its source must have.
  const Manifest* manifest = nullptr;
  std::vector<ManifestInput> source_files = {};
};

/// What an artifact that was made of the model with these options must hold, whatever its types: names,
/// shapes, values, importance, metadata. Rules for types do not matter.
QuantPlan plan_to_verify(const GgufModel& model, const PlanOptions& made_with);

/// `wanted` may be null: then structure and block validity only. With it the artifact must hold its tensors
/// and its metadata (more keys are fine), copied tensors must be equal to the byte, and the error of the
/// others must stay in the band of their type. A tensor that cannot be compared is a problem, and names that
/// only follow from the source folder's are warnings. Weights that are NaN or infinite in the source may be
/// so or zero in the artifact. A manifest that says --on-nan keep counts as keep_nonfinite.
///
/// Throws input_missing when the artifact cannot be opened, WrongFile when it is no GGUF or not the first
/// shard of one, and what reading the source throws; what is wrong with the artifact is reported, not thrown.
VerifyReport verify(const std::filesystem::path& artifact, const QuantPlan* wanted, const Backend& backend,
                    const VerifyOptions& options, Progress& progress, const CancelToken& cancel);

}  // namespace qtz
