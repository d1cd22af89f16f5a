// config.json as the architectures read it: the text part of multimodal configurations raised to the top, the
// defaults of the model's class filled in, rope settings of both generations of transformers in one form.
// Values are checked when asked for; errors name file and key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtz/core/json.h"

namespace qtz {

class ModelConfig {
 public:
  /// `document` is the parsed config.json, `where` its path for messages. Throws input_invalid when it is not
  /// an object.
  ModelConfig(JsonValue document, std::string where);

  /// Adds the members of the JSON object `defaults` that the configuration lacks, then works out rope().
  void apply_defaults(std::string_view defaults);

  const std::string& where() const noexcept { return where_; }
  /// Merged and completed; and the file as it is stored.
  const JsonValue& json() const noexcept { return json_; }
  const JsonValue& stored() const noexcept { return stored_; }
  /// The class that decides the architecture (the text part's if it names one, but for a few whose text part
  /// names a class it outgrew); empty if none is named.
  const std::string& class_name() const noexcept { return class_name_; }

  struct Field {
    std::string name;
    const JsonValue* value;
  };
  /// The first of `fields` ("hidden_size|n_embd") that is there and not null.
  std::optional<Field> find(std::string_view fields) const;
  bool has(std::string_view fields) const { return find(fields).has_value(); }

  /// Typed access: empty when no field is there; a value of the wrong type or out of range is an Error.
  /// Integers are below 2^31.
  std::optional<std::uint64_t> uint(std::string_view fields) const;
  std::optional<double> number(std::string_view fields) const;
  std::optional<bool> boolean(std::string_view fields) const;
  std::optional<std::string> text(std::string_view fields) const;
  /// The same for fields that must be there.
  std::uint64_t need_uint(std::string_view fields) const;
  double need_number(std::string_view fields) const;
  /// A list of texts (layer_types), empty when absent; a list of numbers below 2^31.
  std::vector<std::string> texts(std::string_view fields) const;
  std::vector<std::uint64_t> uints(std::string_view fields) const;

  std::uint64_t block_count() const;
  std::uint64_t hidden_size() const;
  std::uint64_t head_count() const;
  std::uint64_t kv_head_count() const;  ///< head_count() when the configuration does not say
  std::uint64_t head_dim() const;       ///< hidden size / heads when the configuration does not say
  std::uint64_t expert_count() const;   ///< routed experts of a layer; 0 for dense models

  /// Rope settings: rope_theta, rope_type, factor ... or full_attention and sliding_attention objects of
  /// them.
  const JsonValue& rope() const noexcept { return rope_; }
  /// The settings of the full-attention layers.
  const JsonValue& main_rope() const noexcept;
  /// Adds or replaces a rope setting, after apply_defaults.
  void set_rope(std::string key, JsonValue value);
  /// A number of such an object; empty when absent, an Error when it is not a number.
  std::optional<double> rope_number(const JsonValue& rope, std::string_view field) const;
  std::string rope_type(const JsonValue& rope) const;  ///< empty when absent

  /// Refuses what no model has: zero or absurd sizes, heads that do not divide.
  void check_plausible() const;

  /// Throws input_invalid: "<where>: <field>: <problem>".
  [[noreturn]] void refuse(std::string_view field, std::string_view problem) const;

  /// Adds or replaces a value: what an architecture knows better than the file.
  void set(std::string key, JsonValue value);

 private:
  void normalize_rope();

  JsonValue stored_;
  JsonValue json_;
  JsonValue rope_;
  std::string where_;
  std::string class_name_;
};

}  // namespace qtz
