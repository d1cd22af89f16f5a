#include "manifest_check.h"

#include <algorithm>
#include <map>

#include "qtz/core/parallel.h"
#include "qtz/core/sha256.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kHashedAtOnce = 1 << 20;

/// Empty, or how the file is not the one of the manifest.
std::string difference(const ManifestFile& found, const ManifestFile& expected) {
  if (found.bytes != expected.bytes) {
    return "has " + std::to_string(found.bytes) + " bytes, the manifest says " +
           std::to_string(expected.bytes);
  }
  return found.sha256 == expected.sha256 ? "" : "is not the file of the manifest: its SHA-256 is another";
}

std::vector<ManifestInput> files_of(const fs::path& artifact, const GgufSource* file) {
  std::vector<ManifestInput> files;
  if (file == nullptr) return {{artifact, printable(artifact.filename().native())}};
  for (const InputFile& each : file->files()) {
    files.push_back({each.path(), printable(each.path().filename().native()), true, each.stamp()});
  }
  return files;
}

std::string hash_tensor(const GgufSource& file, const TensorInfo& tensor, Progress& progress,
                        const CancelToken& cancel) {
  Sha256 hash;
  std::vector<std::byte> buffer(std::min(kHashedAtOnce, tensor.bytes));
  for (std::uint64_t at = 0; at < tensor.bytes; at += buffer.size()) {
    cancel.poll();
    const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), tensor.bytes - at));
    file.read(tensor, at, part);
    hash.update(part);
    progress.advance(part.size());
  }
  return hash.finish();
}

std::vector<std::string> hash_tensors(const GgufSource& file, unsigned threads, Progress& progress,
                                      const CancelToken& cancel) {
  const std::span<const TensorInfo> tensors = file.tensors();
  std::uint64_t total = 0;
  for (const TensorInfo& tensor : tensors) total += tensor.bytes;
  std::vector<std::string> hashes(tensors.size());
  progress.begin("hash tensors", total, tensors.size(), "tensors");
  parallel_for(tensors.size(), threads, cancel, [&](unsigned, std::uint64_t i) {
    hashes[i] = hash_tensor(file, tensors[i], progress, cancel);
    progress.item_done(tensors[i].name);
  });
  progress.end();
  return hashes;
}

void check_tensors(const GgufSource& file, const std::vector<std::string>& hashes, const Manifest& manifest,
                   std::vector<std::string>& problems) {
  std::map<std::string_view, const ManifestTensor*> expected;
  for (const ManifestTensor& tensor : manifest.tensors) expected.emplace(tensor.name, &tensor);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const TensorInfo& tensor = file.tensors()[i];
    const std::string name = "tensor '" + printable(tensor.name) + "'";
    const auto found = expected.find(tensor.name);
    if (found == expected.end()) {
      problems.push_back(name + " is not in the manifest");
      continue;
    }
    const ManifestTensor& wanted = *found->second;
    expected.erase(found);
    if (wanted.type != name_of(tensor.dtype)) {
      problems.push_back(name + " is " + std::string(name_of(tensor.dtype)) + ", the manifest says " +
                         printable(wanted.type));
    } else if (wanted.bytes != tensor.bytes || wanted.sha256 != hashes[i]) {
      problems.push_back(name + " is not the one of the manifest: its SHA-256 is another");
    }
  }
  for (const auto& [name, tensor] : expected) {
    problems.push_back("tensor '" + printable(name) + "' of the manifest is missing");
  }
}

/// The name of the file that --recipe named, if there was one.
std::string recipe_file(const Manifest& manifest) {
  for (const auto& [flag, value] : manifest.recipe) {
    if (flag == "recipe" && value.as_string() != nullptr) return *value.as_string();
  }
  return {};
}

void check_source(const std::vector<ManifestInput>& source, const std::vector<ManifestFile>& found,
                  const Manifest& manifest, VerifyReport& report) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto expected = std::find_if(manifest.inputs.begin(), manifest.inputs.end(),
                                       [&](const ManifestFile& file) { return file.name == found[i].name; });
    auto& list = source[i].shapes_tensors ? report.problems : report.warnings;
    if (expected == manifest.inputs.end()) {
      list.push_back("source file '" + found[i].name + "' is not in the manifest");
    } else if (const std::string how = difference(found[i], *expected); !how.empty()) {
      list.push_back("source file '" + found[i].name + "' " + how);
    }
  }
  if (source.empty()) return;
  for (const ManifestFile& file : manifest.inputs) {
    if (file.name == recipe_file(manifest)) continue;  // decides types, which are read from the artifact
    const bool here = std::any_of(found.begin(), found.end(),
                                  [&](const ManifestFile& each) { return each.name == file.name; });
    if (!here) report.warnings.push_back("the manifest's input '" + printable(file.name) + "' was not given");
  }
}

}  // namespace

void check_manifest(const fs::path& artifact, const GgufSource* file, const Manifest& manifest,
                    const std::vector<ManifestInput>& source, unsigned threads, Progress& progress,
                    const CancelToken& cancel, VerifyReport& report) {
  const std::vector<ManifestFile> files = hash_files(files_of(artifact, file), threads, progress, cancel);
  if (files.size() != manifest.outputs.size()) {
    report.problems.push_back("the artifact has " + std::to_string(files.size()) +
                              " files, the manifest says " + std::to_string(manifest.outputs.size()));
  } else {
    // By place: an artifact may be renamed.
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::string how = difference(files[i], manifest.outputs[i]);
      if (!how.empty()) report.problems.push_back("'" + files[i].name + "' " + how);
    }
  }
  if (file != nullptr)
    check_tensors(*file, hash_tensors(*file, threads, progress, cancel), manifest, report.problems);
  check_source(source, hash_files(source, threads, progress, cancel), manifest, report);
}

}  // namespace qtz
