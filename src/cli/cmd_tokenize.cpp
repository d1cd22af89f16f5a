// qtz tokenize: a text as the ids of a model's tokens, by the vocabulary of a GGUF or of a model folder.
#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_text.h"
#include "qtz/core/bytes.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/json.h"
#include "qtz/formats/gguf.h"
#include "qtz/model/gguf_model.h"
#include "qtz/model/text_encoder.h"

namespace qtz::cli {
namespace {

struct TokenizeFlags {
  std::string model;
  std::string file = "-";
  std::string tokenizer_pre;
  bool special = false;
  bool no_bos = false;
  bool count = false;
  bool json = false;
};

bool is_gguf(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return false;
  const InputFile file(path);
  std::array<std::byte, 4> head{};
  if (file.size() < head.size()) return false;
  file.read(0, head);
  constexpr std::uint32_t kGgufMagic = 0x46554747;
  return load_le<std::uint32_t>(head.data()) == kGgufMagic;
}

/// A GGUF may be a vocabulary alone, which is no model; nothing of it is needed but the keys.
KvList metadata_of(const TokenizeFlags& flags, Console& console) {
  ModelOptions options;
  if (!flags.tokenizer_pre.empty()) options.tokenizer_pre = flags.tokenizer_pre;
  if (is_gguf(flags.model) && !options.tokenizer_pre) {
    const GgufSource source(flags.model);
    for (const auto& warning : source.warnings()) console.warn(warning);
    return source.metadata();
  }
  GgufModel model = open_model(flags.model, options);
  for (const auto& warning : model.warnings) console.warn(warning);
  return std::move(model.metadata);
}

TextEncoder encoder_of(const TokenizeFlags& flags, Console& console) {
  const KvList metadata = metadata_of(flags, console);
  try {
    return TextEncoder::from_metadata(metadata);
  } catch (Error& error) {
    error.add_context(printable(flags.model));
    throw;
  }
}

std::vector<std::uint32_t> ids_of_text(const TokenizeFlags& flags, const TextEncoder& encoder) {
  const std::string text = read_text(flags.file);
  try {
    return encoder.encode(text, {.add_special = !flags.no_bos, .parse_special = flags.special});
  } catch (Error& error) {
    error.add_context(flags.file == "-" ? "standard input" : printable(flags.file));
    throw;
  }
}

std::string ids_text(const std::vector<std::uint32_t>& ids) {
  std::string out;
  for (const std::uint32_t id : ids) {
    if (!out.empty()) out += ' ';
    out += std::to_string(id);
  }
  return out + "\n";
}

JsonValue ids_json(const TokenizeFlags& flags, const TextEncoder& encoder,
                   const std::vector<std::uint32_t>& ids) {
  JsonObject root{{"schema", 1},
                  {"model", flags.model},
                  {"kind", encoder.kind()},
                  {"vocabulary", static_cast<std::uint64_t>(encoder.vocabulary_size())},
                  {"count", static_cast<std::uint64_t>(ids.size())}};
  if (!flags.count) {
    JsonArray tokens;
    for (const std::uint32_t id : ids) tokens.emplace_back(id);
    root.emplace_back("tokens", std::move(tokens));
  }
  return root;
}

ExitCode run(const TokenizeFlags& flags, Console& console) {
  require_value(flags.model, "a MODEL", "tokenize");
  const TextEncoder encoder = encoder_of(flags, console);
  const std::vector<std::uint32_t> ids = ids_of_text(flags, encoder);
  console.set_result(JsonObject{{"count", static_cast<std::uint64_t>(ids.size())}});
  if (flags.json) {
    console.data(to_json(ids_json(flags, encoder, ids), -1) + "\n");
  } else {
    console.data(flags.count ? std::to_string(ids.size()) + "\n" : ids_text(ids));
  }
  return ExitCode::ok;
}

}  // namespace

Command setup_tokenize(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "tokenize",
      "show a text as the numbers of a model's tokens\n"
      "The ids are those of the library that the model's family uses, on one line. The text must be UTF-8.");
  share_line(*app, "a text and a model: importance matrix, measured loss, tokens");
  const auto flags = std::make_shared<TokenizeFlags>();
  add_positional(*app, "MODEL", flags->model, "a GGUF file, or a model folder with its tokenizer");
  add_value(*app, "--file", flags->file, "TEXT|-", "Text",
            "the file with the text (default: -, standard input)");
  add_switch(*app, "--special", flags->special, "Text",
             "take special tokens that are written in the text for such\n"
             "Without it they are text, as in the words of somebody else.");
  add_switch(*app, "--no-bos", flags->no_bos, "Text",
             "add no special tokens before or after the text, whatever the model wants");
  add_value(*app, "--tokenizer-pre", flags->tokenizer_pre, "NAME", "Text",
            "how a folder's byte-level BPE cuts texts, where that is not recognized");
  add_switch(*app, "--count", flags->count, "Output", "only how many tokens there are");
  add_switch(*app, "--json", flags->json, "Output", "machine-readable");
  set_examples(*app,
               "echo -n 'Hello world' | qtz tokenize Llama-3.2-1B-Q4_K_M.gguf\n"
               "qtz tokenize ./Llama-3.2-1B --file calibration.txt --count\n"
               "qtz tokenize model.gguf --file chat.txt --special --json | jq .tokens");
  return {app, [flags](Console& console) { return run(*flags, console); }};
}

}  // namespace qtz::cli
