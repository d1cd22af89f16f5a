// The small tokenizer files of a hub folder, read once: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, and which others are there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/tokenizer_json.h"
#include "qtz/core/json.h"

namespace qtz {

class HubTokenizer {
 public:
  /// `model_config` is config.json. Throws input_missing when a file cannot be read, input_invalid for
  /// malformed ones.
  HubTokenizer(std::filesystem::path folder, const JsonValue& model_config);

  const std::filesystem::path& folder() const noexcept { return folder_; }
  std::filesystem::path path(std::string_view name) const { return folder_ / name; }
  /// Throws, as has_file does, for what is there but no readable file.
  bool has(std::string_view name) const;

  bool has_config() const noexcept { return has_config_; }
  /// tokenizer_config.json; an empty object when there is none.
  const JsonValue& config() const noexcept { return config_; }
  /// A string member of it, empty otherwise.
  std::string config_text(std::string_view key) const;
  std::optional<bool> config_flag(std::string_view key) const;

  /// "tokenizer_class" without "Fast"; without one, the class that the model's type implies; may be empty.
  const std::string& tokenizer_class() const noexcept { return tokenizer_class_; }
  /// Special tokens that this class has although no file names them.
  std::vector<std::string> class_specials() const;

  /// "added_tokens_decoder" of tokenizer_config.json, by id.
  const std::vector<AddedToken>& config_tokens() const noexcept { return config_tokens_; }
  /// added_tokens.json in file order.
  std::vector<AddedToken> added_tokens_file() const;

  /// Texts of the special tokens that the configurations name ("bos_token", "image_token" ...), and those
  /// that they only list ("additional_special_tokens"); each once over both, in the order of the files.
  const std::vector<std::string>& named_specials() const noexcept { return named_specials_; }
  const std::vector<std::string>& listed_specials() const noexcept { return listed_specials_; }

 private:
  void collect_specials(const JsonValue& object);

  std::filesystem::path folder_;
  std::string tokenizer_class_;
  bool has_config_ = false;
  JsonValue config_;
  std::vector<AddedToken> config_tokens_;
  std::vector<std::string> named_specials_;
  std::vector<std::string> listed_specials_;
};

/// The text of a token given as a string or as an object with "content"; nullptr for anything else.
const std::string* token_text(const JsonValue& value) noexcept;

}  // namespace qtz
