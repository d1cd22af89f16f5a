// qtz types, archs, backends: the tables the binary was built from.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/table.h"
#include "qtz/core/json.h"
#include "qtz/core/text.h"
#include "qtz/forward/decoder.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"
#include "qtz/pipeline/folder_plan.h"
#include "qtz/pipeline/recipe.h"

namespace qtz::cli {
namespace {

struct ListFlags {
  bool json = false;
};

double block_bits(DType type) {
  const DTypeTraits& t = traits(type);
  return 8.0 * static_cast<double>(t.block_bytes) / static_cast<double>(t.block_elems);
}

/// `what` the rows are, in the JSON.
void print(Console& console, const ListFlags& flags, std::string_view what, const TextTable& table,
           JsonArray rows) {
  const JsonValue document = JsonObject{{"schema", 1}, {std::string(what), std::move(rows)}};
  console.data(flags.json ? to_json(document) + "\n" : table.to_string());
}

ExitCode list_types(const ListFlags& flags, Console& console) {
  TextTable table({{"TYPE"}, {"MAINLY"}, {"BITS", TextTable::Align::right}, {"WHAT"}});
  JsonArray rows;
  for (const auto& type : list_file_types()) {
    const auto mainly = name_of(type.default_type);
    table.add({std::string(type.name), std::string(mainly), format_fixed(block_bits(type.default_type), 3),
               std::string(type.summary)});
    rows.push_back(JsonObject{{"name", type.name},
                              {"default_type", mainly},
                              {"default_type_bits", block_bits(type.default_type)},
                              {"file_type", static_cast<std::uint64_t>(type.gguf_ftype)},
                              {"summary", type.summary}});
  }
  TextTable folders(
      {{"FOLDER TYPE"}, {"BITS", TextTable::Align::right}, {"GROUP", TextTable::Align::right}, {"WHAT"}});
  JsonArray folder_rows;
  for (const auto& type : list_folder_types()) {
    folders.add({std::string(type.name), std::to_string(type.bits),
                 type.group_size == 0 ? "all" : std::to_string(type.group_size), std::string(type.summary)});
    folder_rows.push_back(
        JsonObject{{"name", type.name},
                   {"bits", type.bits},
                   {"group_size", type.group_size == 0 ? JsonValue(-1) : JsonValue(type.group_size)},
                   {"symmetric", type.symmetric},
                   {"summary", type.summary}});
  }
  const JsonValue document =
      JsonObject{{"schema", 1}, {"types", std::move(rows)}, {"folder_types", std::move(folder_rows)}};
  console.data(flags.json ? to_json(document) + "\n" : table.to_string() + "\n" + folders.to_string());
  return ExitCode::ok;
}

ExitCode list_archs(const ListFlags& flags, Console& console) {
  TextTable table({{"CLASS"}, {"GGUF NAME"}, {"PROOF"}, {"RUNS"}});
  JsonArray rows;
  const std::vector<std::string_view> runnable = runnable_architectures();
  for (const auto& row : list_architectures()) {
    const bool runs = std::binary_search(runnable.begin(), runnable.end(), row.gguf_name);
    table.add(
        {std::string(row.hf_class), std::string(row.gguf_name), std::string(row.proof), runs ? "yes" : "no"});
    rows.push_back(JsonObject{
        {"class", row.hf_class}, {"architecture", row.gguf_name}, {"proof", row.proof}, {"runs", runs}});
  }
  print(console, flags, "architectures", table, std::move(rows));
  return ExitCode::ok;
}

ExitCode list_all_backends(const ListFlags& flags, Console& console) {
  const Backend& chosen = select_backend({});
  TextTable table({{"BACKEND"}, {"HERE"}, {"WHAT"}});
  JsonArray rows;
  for (const auto& backend : list_backends()) {
    const bool is_chosen = &backend == &chosen;
    const char* here = is_chosen ? "default" : backend.supported ? "yes" : "no";
    table.add({std::string(backend.name), here, std::string(backend.description)});
    rows.push_back(JsonObject{{"name", backend.name},
                              {"supported", backend.supported},
                              {"default", is_chosen},
                              {"description", backend.description}});
  }
  print(console, flags, "backends", table, std::move(rows));
  return ExitCode::ok;
}

Command setup_list(CLI::App& root, const char* name, const char* description,
                   ExitCode (*list)(const ListFlags&, Console&)) {
  CLI::App* app = root.add_subcommand(name, description);
  share_line(*app, "list what this binary knows");
  const auto flags = std::make_shared<ListFlags>();
  add_switch(*app, "--json", flags->json, "Output", "machine-readable");
  return {app, [flags, list](Console& console) { return list(*flags, console); }};
}

}  // namespace

Command setup_types(CLI::App& root) {
  return setup_list(root, "types",
                    "list what --type can be\n"
                    "BITS per weight are those of the main type; what a model's mix comes to says\n"
                    "'qtz plan MODEL --type TYPE'. Folder types make a folder of safetensors, all others a\n"
                    "GGUF file; BITS and GROUP are what they have unless --bits and --group-size say more.",
                    list_types);
}

Command setup_archs(CLI::App& root) {
  return setup_list(
      root, "archs",
      "list the model architectures known\n"
      "PROOF is how each is tested: 'bytes' (equal to llama.cpp's converter), 'logits' (agrees with\n"
      "transformers through llama.cpp) or 'loads' (llama.cpp loads it). RUNS: whether 'qtz eval' and\n"
      "'qtz calibrate' can run it.",
      list_archs);
}

Command setup_backends(CLI::App& root) {
  return setup_list(root, "backends",
                    "list the instruction sets this binary can use\n"
                    "All of them write the same bytes; they differ in speed.",
                    list_all_backends);
}

}  // namespace qtz::cli
