// The record of a run, for whoever publishes the artifact: what went in, what came out, how it was made, with
// the SHA-256 of everything. A JSON file beside the artifact; names in it are file names without folders, and
// nothing in it depends on the machine or the hour.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "qtz/core/json.h"
#include "qtz/core/progress.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

struct ManifestFile {
  std::string name;  ///< without folder; of a file in a folder of the model's, with that one
  std::uint64_t bytes = 0;
  std::string sha256;  ///< lower-case hexadecimal
  bool operator==(const ManifestFile&) const = default;
};

struct ManifestTensor {
  std::string name;
  std::string type;
  std::uint64_t bytes = 0;
  std::string sha256;  ///< of its stored bytes, without padding
  bool operator==(const ManifestTensor&) const = default;
};

struct Manifest {
  std::string version;  ///< of qtz
  JsonObject recipe;    ///< the flags that decide bytes, as they were given; file names without folders
  std::vector<ManifestFile> inputs;
  std::vector<ManifestFile> outputs;  ///< the files of the artifact, in order
  std::vector<ManifestTensor> tensors;
};

/// A file that a run takes something from.
struct ManifestInput {
  std::filesystem::path path;
  std::string name;            ///< what the manifest calls it
  bool shapes_tensors = true;  ///< weights, importance, rules; others may say something about the model
  std::optional<FileStamp> stamp = {};  ///< what it was when the run took from it
};

/// A file that a person named besides the model, as it is now. Throws input_missing.
ManifestInput given_input(const std::filesystem::path& path);

/// The files with the model's weights, those beside them (by their names inside the folder), and `given`.
std::vector<ManifestInput> manifest_inputs(const GgufModel& model, std::vector<ManifestInput> given);

/// What a manifest says of its run.
struct ManifestFacts {
  JsonObject recipe;
  std::vector<ManifestInput> inputs;
};

/// Where the manifest of an artifact lies: the artifact's own name (of a split one its first file's) with
/// ".manifest.json".
std::filesystem::path manifest_path(const std::filesystem::path& artifact);

/// The document, ending in a newline.
std::string to_text(const Manifest& manifest);

/// Throws input_missing, and input_invalid for what is no manifest or one of a later version of the format.
Manifest read_manifest(const std::filesystem::path& path);

/// The SHA-256 of each file, several at a time, in bounded memory. Throws what reading throws, and
/// input_invalid for a file that is not what its stamp says any more.
std::vector<ManifestFile> hash_files(const std::vector<ManifestInput>& files, unsigned threads,
                                     Progress& progress, const CancelToken& cancel);

}  // namespace qtz
