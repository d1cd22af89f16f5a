#include "qtz/pipeline/manifest.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/parallel.h"
#include "qtz/core/sha256.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSchema = 1;
constexpr std::uint64_t kHashedAtOnce = 64 << 10;
constexpr JsonLimits kLimits{.max_bytes = 64u << 20};

JsonArray files_json(const std::vector<ManifestFile>& files) {
  JsonArray array;
  for (const ManifestFile& file : files) {
    array.push_back(JsonObject{{"file", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  return array;
}

/// Reads what to_text writes, and says what is not like that.
class ManifestReader {
 public:
  explicit ManifestReader(std::string where) : where_(std::move(where)) {}

  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorKind::input_invalid, where_ + ": " + problem,
                "a manifest is what 'qtz quantize --manifest' writes beside the artifact");
  }

  const JsonArray& array(const JsonValue& parent, std::string_view key) const {
    const JsonValue* value = parent.find(key);
    if (value == nullptr || !value->is_array()) refuse("'" + std::string(key) + "' is not a list");
    return *value->as_array();
  }

  std::string text(const JsonValue& parent, std::string_view key) const {
    const JsonValue* value = parent.find(key);
    if (value == nullptr || !value->is_string()) refuse("'" + std::string(key) + "' is not a string");
    return *value->as_string();
  }

  std::uint64_t bytes(const JsonValue& parent) const {
    const JsonValue* value = parent.find("bytes");
    const auto number = value == nullptr ? std::nullopt : value->as_uint();
    if (!number) refuse("'bytes' is not a size");
    return *number;
  }

  std::string hash(const JsonValue& parent) const {
    std::string digits = text(parent, "sha256");
    const bool well_formed =
        digits.size() == 64 && digits.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!well_formed) refuse("'" + printable(digits) + "' is not a SHA-256");
    return digits;
  }

  std::vector<ManifestFile> files(const JsonValue& parent, std::string_view key) const {
    std::vector<ManifestFile> files;
    for (const JsonValue& file : array(parent, key))
      files.push_back({text(file, "file"), bytes(file), hash(file)});
    return files;
  }

 private:
  std::string where_;
};

std::string hash_file(const InputFile& file, Progress& progress, const CancelToken& cancel) {
  Sha256 hash;
  std::vector<std::byte> buffer(std::min(kHashedAtOnce, std::max<std::uint64_t>(file.size(), 1)));
  for (std::uint64_t at = 0; at < file.size(); at += buffer.size()) {
    cancel.poll();
    const std::span<std::byte> part =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), file.size() - at));
    file.read(at, part);
    hash.update(part);
    progress.advance(part.size());
  }
  file.check_unchanged();
  return hash.finish();
}

}  // namespace

ManifestInput given_input(const fs::path& path) {
  return {path, printable(path.filename().native()), true, stamp_of(path)};
}

std::vector<ManifestInput> manifest_inputs(const GgufModel& model, std::vector<ManifestInput> given) {
  std::vector<ManifestInput> inputs;
  for (const InputFile& file : model.source->files())
    inputs.push_back({file.path(), printable(file.path().filename().native()), true, file.stamp()});
  for (const SideFile& file : model.side_files) {
    const fs::path name = file.path.lexically_relative(model.folder);
    inputs.push_back({file.path, printable(name.native()), false, file.stamp});
  }
  std::move(given.begin(), given.end(), std::back_inserter(inputs));
  return inputs;
}

fs::path manifest_path(const fs::path& artifact) {
  return fs::path(artifact.native() + ".manifest.json");
}

std::string to_text(const Manifest& manifest) {
  JsonArray tensors;
  for (const ManifestTensor& tensor : manifest.tensors) {
    tensors.push_back(JsonObject{
        {"name", tensor.name}, {"type", tensor.type}, {"bytes", tensor.bytes}, {"sha256", tensor.sha256}});
  }
  return to_json(JsonObject{{"schema", kSchema},
                            {"qtz_version", manifest.version},
                            {"recipe", manifest.recipe},
                            {"inputs", files_json(manifest.inputs)},
                            {"outputs", files_json(manifest.outputs)},
                            {"tensors", std::move(tensors)}}) +
         "\n";
}

Manifest read_manifest(const fs::path& path) {
  const ManifestReader reader(printable(path.native()));
  const JsonValue document = parse_json_file(path, kLimits);
  const JsonValue* schema = document.find("schema");
  const auto version = schema == nullptr ? std::nullopt : schema->as_uint();
  if (!version || document.find("outputs") == nullptr) reader.refuse("is not a manifest");
  if (*version != kSchema) {
    reader.refuse("is a manifest of format " + std::to_string(*version) + ", this qtz knows " +
                  std::to_string(kSchema));
  }
  Manifest manifest;
  manifest.version = reader.text(document, "qtz_version");
  if (const JsonValue* recipe = document.find("recipe"); recipe != nullptr && recipe->is_object()) {
    manifest.recipe = *recipe->as_object();
  }
  manifest.inputs = reader.files(document, "inputs");
  manifest.outputs = reader.files(document, "outputs");
  for (const JsonValue& tensor : reader.array(document, "tensors")) {
    manifest.tensors.push_back({reader.text(tensor, "name"), reader.text(tensor, "type"),
                                reader.bytes(tensor), reader.hash(tensor)});
  }
  return manifest;
}

std::vector<ManifestFile> hash_files(const std::vector<ManifestInput>& files, unsigned threads,
                                     Progress& progress, const CancelToken& cancel) {
  std::vector<ManifestFile> hashed;
  std::uint64_t total = 0;
  for (const auto& file : files) {
    hashed.push_back({file.name, InputFile(file.path).size(), ""});
    total += hashed.back().bytes;
  }
  progress.begin("hash", total, files.size(), "files");
  parallel_for(files.size(), threads, cancel, [&](unsigned, std::uint64_t index) {
    const InputFile file(files[index].path);
    if (file.stamp() != files[index].stamp.value_or(file.stamp())) fail_as_changed(file.path());
    hashed[index].bytes = file.size();
    hashed[index].sha256 = hash_file(file, progress, cancel);
    progress.item_done(files[index].name);
  });
  progress.end();
  return hashed;
}

}  // namespace qtz
