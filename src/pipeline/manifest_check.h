// An artifact, and the source it is said to be made of, against the hashes of a manifest.
#pragma once

#include <filesystem>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/formats/gguf.h"
#include "qtz/pipeline/manifest.h"
#include "qtz/pipeline/verify.h"

namespace qtz {

/// Adds to the report's problems what is not as the manifest says: the artifact's files, each tensor, and the
/// files of the source that shape tensors. Other files of the source only give a warning. `file` is null for
/// an artifact that cannot be read as GGUF.
void check_manifest(const std::filesystem::path& artifact, const GgufSource* file, const Manifest& manifest,
                    const std::vector<ManifestInput>& source, unsigned threads, Progress& progress,
                    const CancelToken& cancel, VerifyReport& report);

}  // namespace qtz
