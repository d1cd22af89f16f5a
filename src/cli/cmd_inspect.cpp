// qtz inspect: what is in a safetensors file, a GGUF or an importance matrix. Reads headers only, unless
// hashes are asked for. Made for files nobody vouches for.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/gguf_value_text.h"
#include "cli/imatrix_report.h"
#include "cli/signals.h"
#include "cli/table.h"
#include "qtz/core/bytes.h"
#include "qtz/core/json.h"
#include "qtz/core/parallel.h"
#include "qtz/core/sha256.h"
#include "qtz/core/text.h"
#include "qtz/formats/gguf.h"
#include "qtz/formats/safetensors.h"

namespace qtz::cli {
namespace {

struct InspectFlags {
  std::string file;
  bool json = false;
  bool sha256 = false;
  bool full = false;
};

enum class FileKind { gguf, imatrix_dat, safetensors };

/// GGUF by its magic, or by its name where the beginning is damaged. Legacy importance matrices have no
/// magic: a small count, then a small name length, and no safetensors header; or their name. Everything else
/// is left to the safetensors reader, whose errors say what is wrong.
FileKind recognize(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return FileKind::safetensors;
  const InputFile file(path);
  std::array<std::byte, 9> head{};
  file.read(
      0, std::span(head).first(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), head.size()))));
  constexpr std::uint32_t kGgufMagic = 0x46554747;
  if (load_le<std::uint32_t>(head.data()) == kGgufMagic) return FileKind::gguf;
  if (head[8] == std::byte{'{'}) return FileKind::safetensors;
  if (path.extension() == ".gguf") return FileKind::gguf;
  const auto entries = load_le<std::int32_t>(head.data());
  const auto name_bytes = load_le<std::int32_t>(head.data() + 4);
  const bool plausible = entries > 0 && entries < (1 << 20) && name_bytes > 0 && name_bytes < 1024;
  return plausible || path.extension() == ".dat" ? FileKind::imatrix_dat : FileKind::safetensors;
}

std::string hash_tensor(const TensorSource& source, const TensorInfo& tensor) {
  constexpr std::uint64_t kChunk = 1u << 20;
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(kChunk, tensor.bytes)));
  Sha256 hash;
  for (std::uint64_t at = 0; at < tensor.bytes; at += buffer.size()) {
    cancel_token().poll();
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), tensor.bytes - at));
    source.read(tensor, at, std::span(buffer.data(), count));
    hash.update(std::span<const std::byte>(buffer.data(), count));
  }
  return hash.finish();
}

/// Hex digests, one per tensor; empty when not asked for.
std::vector<std::string> hash_tensors(const TensorSource& source, const InspectFlags& flags) {
  if (!flags.sha256) return {};
  std::vector<std::string> hashes(source.tensors().size());
  parallel_for(hashes.size(), resolve_threads(0), cancel_token(), [&](unsigned, std::uint64_t i) {
    const auto index = static_cast<std::size_t>(i);
    hashes[index] = hash_tensor(source, source.tensors()[index]);
  });
  return hashes;
}

struct Totals {
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
  std::uint64_t file_bytes = 0;
};

Totals totals_of(const TensorSource& source) {
  Totals totals;
  for (const auto& tensor : source.tensors()) {
    totals.elements += tensor.shape.elements();
    totals.bytes += tensor.bytes;
  }
  for (const auto& file : source.files()) totals.file_bytes += file.size();
  return totals;
}

std::string summary_text(const InspectFlags& flags, const TensorSource& source, const std::string& format) {
  const Totals totals = totals_of(source);
  std::string text = printable(flags.file) + ": " + format + ", " + format_bytes(totals.file_bytes);
  if (source.files().size() > 1) text += " in " + std::to_string(source.files().size()) + " files";
  text += ", " + std::to_string(source.tensors().size()) + " tensors, " + group_digits(totals.elements) +
          " weights";
  if (totals.elements > 0) {
    text += ", " +
            format_fixed(8.0 * static_cast<double>(totals.bytes) / static_cast<double>(totals.elements), 2) +
            " bits per weight";
  }
  return text + "\n";
}

std::string tensor_table(const TensorSource& source, const std::vector<std::string>& hashes) {
  using Align = TextTable::Align;
  std::vector<TextTable::Column> columns = {
      {"TENSOR"}, {"TYPE"}, {"SHAPE"}, {"BYTES", Align::right}, {"OFFSET", Align::right}};
  const bool several_files = source.files().size() > 1;
  if (several_files) columns.push_back({"FILE"});
  if (!hashes.empty()) columns.push_back({"SHA256"});
  TextTable table(std::move(columns));
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const TensorInfo& tensor = source.tensors()[i];
    std::vector<std::string> row{printable(tensor.name), std::string(name_of(tensor.dtype)),
                                 tensor.shape.to_string(), std::to_string(tensor.bytes),
                                 std::to_string(tensor.offset)};
    if (several_files) row.push_back(printable(source.files()[tensor.shard].path().filename().string()));
    if (!hashes.empty()) row.push_back(hashes[i]);
    table.add(std::move(row));
  }
  return table.to_string();
}

JsonArray tensors_json(const TensorSource& source, const std::vector<std::string>& hashes) {
  JsonArray tensors;
  for (std::size_t i = 0; i < source.tensors().size(); ++i) {
    const TensorInfo& tensor = source.tensors()[i];
    JsonArray shape;
    for (const auto dim : tensor.shape.dims()) shape.emplace_back(dim);
    JsonObject row{{"name", tensor.name},       {"type", name_of(tensor.dtype)},
                   {"shape", std::move(shape)}, {"offset", tensor.offset},
                   {"bytes", tensor.bytes},     {"file", static_cast<std::uint64_t>(tensor.shard)}};
    if (!hashes.empty()) row.emplace_back("sha256", hashes[i]);
    tensors.push_back(std::move(row));
  }
  return tensors;
}

JsonObject source_json(const InspectFlags& flags, const TensorSource& source, const char* format) {
  const Totals totals = totals_of(source);
  JsonArray files;
  for (const auto& file : source.files()) {
    files.push_back(JsonObject{{"path", file.path().string()}, {"bytes", file.size()}});
  }
  return {{"schema", 1},
          {"path", flags.file},
          {"format", format},
          {"files", std::move(files)},
          {"bytes", totals.file_bytes},
          {"weights", totals.elements}};
}

void print_gguf(const InspectFlags& flags, const GgufSource& source, Console& console) {
  for (const auto& warning : source.warnings()) console.warn(warning);
  const auto hashes = hash_tensors(source, flags);
  if (flags.json) {
    JsonObject metadata;
    for (const auto& entry : source.metadata().entries())
      metadata.emplace_back(entry.key, value_json(entry.value, flags.full));
    JsonObject root = source_json(flags, source, "gguf");
    root.emplace_back("version", static_cast<std::uint64_t>(source.version()));
    root.emplace_back("alignment", static_cast<std::uint64_t>(source.alignment()));
    root.emplace_back("metadata", std::move(metadata));
    root.emplace_back("tensors", tensors_json(source, hashes));
    console.data(to_json(std::move(root)) + "\n");
    return;
  }
  TextTable table({{"KEY"}, {"TYPE"}, {"VALUE"}});
  for (const auto& entry : source.metadata().entries()) {
    table.add({printable(entry.key), type_text(entry.value), value_text(entry.value, flags.full)});
  }
  console.data(summary_text(flags, source, "GGUF version " + std::to_string(source.version())) + "\n" +
               table.to_string() + "\n" + tensor_table(source, hashes));
}

void print_safetensors(const InspectFlags& flags, const SafetensorsSource& source, Console& console) {
  for (const auto& warning : source.warnings()) console.warn(warning);
  const auto hashes = hash_tensors(source, flags);
  if (flags.json) {
    JsonObject metadata;
    for (const auto& [key, value] : source.metadata()) metadata.emplace_back(key, value);
    JsonObject root = source_json(flags, source, "safetensors");
    root.emplace_back("metadata", std::move(metadata));
    root.emplace_back("tensors", tensors_json(source, hashes));
    console.data(to_json(std::move(root)) + "\n");
    return;
  }
  console.data(summary_text(flags, source, "safetensors") + "\n");
  if (!source.metadata().empty()) {
    TextTable table({{"KEY"}, {"VALUE"}});
    for (const auto& [key, value] : source.metadata())
      table.add({printable(key), "\"" + printable(value) + "\""});
    console.data(table.to_string() + "\n");
  }
  console.data(tensor_table(source, hashes));
}

bool is_imatrix(const GgufSource& source) {
  const GgufValue* type = source.metadata().find("general.type");
  return type != nullptr && type->as_string() != nullptr && *type->as_string() == "imatrix";
}

ExitCode run(const InspectFlags& flags, Console& console) {
  require_value(flags.file, "a FILE", "inspect");
  switch (recognize(flags.file)) {
    case FileKind::imatrix_dat:
      print_imatrix(flags.file, flags.json, console);
      break;
    case FileKind::safetensors:
      print_safetensors(flags, SafetensorsSource(flags.file), console);
      break;
    case FileKind::gguf: {
      const GgufSource source(flags.file);
      if (is_imatrix(source) && !flags.sha256 && !flags.full) {
        print_imatrix(flags.file, flags.json, console);
      } else {
        print_gguf(flags, source, console);
      }
      break;
    }
  }
  return ExitCode::ok;
}

}  // namespace

Command setup_inspect(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("inspect",
                          "show what is in a safetensors, GGUF or imatrix file\n"
                          "Header, metadata and tensor table; safe on files nobody vouches for. Shapes are\n"
                          "outermost dimension first.");
  const auto flags = std::make_shared<InspectFlags>();
  add_positional(*app, "FILE", flags->file, "the file (or a folder or index of safetensors)");
  add_switch(*app, "--json", flags->json, "Output", "machine-readable");
  add_switch(*app, "--sha256", flags->sha256, "Output", "a hash of every tensor's bytes");
  add_switch(*app, "--full", flags->full, "Output",
             "metadata arrays whole, not only their first elements\n"
             "For an importance matrix: the file itself instead of what it means.");
  set_examples(*app,
               "qtz inspect model.safetensors\n"
               "qtz inspect model-Q4_K_M.gguf --json | jq '.metadata[\"general.name\"].value'\n"
               "qtz inspect model-Q4_K_M.gguf --sha256 | less -S");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
