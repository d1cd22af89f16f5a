#include "qtz/model/model_config.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {

namespace {

constexpr std::string_view kHeads = "num_attention_heads|n_head|n_heads";
constexpr std::string_view kKvHeads = "num_key_value_heads|n_kv_heads";
constexpr std::string_view kHidden = "hidden_size|n_embd|d_model|dim";
constexpr std::string_view kExperts = "num_local_experts|num_experts|n_routed_experts|moe_num_experts";
constexpr std::uint64_t kMostBlocks = 100'000;
constexpr std::uint64_t kMostExperts = 65'536;

/// Other names under which multimodal configurations keep their text model.
constexpr std::string_view kTextParts[] = {"text_config", "llm_config", "lm_config", "language_config"};

/// Classes whose text part names another that it is no longer quite.
constexpr std::string_view kOwnClasses[] = {
    "StepVLForConditionalGeneration", "Step3p7ForConditionalGeneration", "Exaone4_5_ForConditionalGeneration",
    "KimiK3ForConditionalGeneration", "Sarashina2VisionForCausalLM",
};

/// The text part of a multimodal configuration; nullptr if there is none.
const JsonValue* text_part(const JsonValue& config) {
  if (const JsonValue* thinker = config.find("thinker_config")) return thinker->find("text_config");
  for (const std::string_view part : kTextParts) {
    const JsonValue* text = config.find(part);
    if (text != nullptr && text->is_object()) return text;
  }
  return nullptr;
}

std::string first_class(const JsonValue& config, const std::string& where) {
  const JsonValue* classes = config.find("architectures");
  if (classes == nullptr || classes->is_null()) return {};
  const JsonArray* list = classes->as_array();
  if (list == nullptr || (!list->empty() && !list->front().is_string())) {
    throw Error(ErrorKind::input_invalid, where + ": 'architectures' is not a list of class names",
                "it should read like [\"LlamaForCausalLM\"]");
  }
  return list->empty() ? std::string() : *list->front().as_string();
}

}  // namespace

ModelConfig::ModelConfig(JsonValue document, std::string where)
    : stored_(std::move(document)), json_(stored_), where_(std::move(where)) {
  if (!json_.is_object()) {
    throw Error(ErrorKind::input_invalid,
                where_ + ": is a JSON " + std::string(json_.type_name()) + ", not an object",
                "a model's config.json is needed");
  }
  class_name_ = first_class(json_, where_);
  const JsonValue* text = text_part(json_);
  if (text == nullptr || !text->is_object()) return;
  json_.set_all(JsonObject(*text->as_object()));
  const bool own =
      std::find(std::begin(kOwnClasses), std::end(kOwnClasses), class_name_) != std::end(kOwnClasses);
  if (const std::string named = first_class(json_, where_); !named.empty() && !own) class_name_ = named;
}

void ModelConfig::apply_defaults(std::string_view defaults) {
  const JsonValue assumed = parse_json(defaults, JsonLimits{}, "built-in defaults");
  QTZ_CHECK(assumed.is_object());
  for (const auto& [key, value] : *assumed.as_object()) {
    if (json_.find(key) == nullptr) json_.set(key, value);
  }
  normalize_rope();
}

void ModelConfig::set(std::string key, JsonValue value) {
  json_.set(std::move(key), std::move(value));
}

void ModelConfig::set_rope(std::string key, JsonValue value) {
  rope_.set(std::move(key), std::move(value));
}

void ModelConfig::refuse(std::string_view field, std::string_view problem) const {
  throw Error(ErrorKind::input_invalid, where_ + ": '" + std::string(field) + "' " + std::string(problem),
              "correct the file, or download it again");
}

std::optional<ModelConfig::Field> ModelConfig::find(std::string_view fields) const {
  while (!fields.empty()) {
    const auto bar = fields.find('|');
    const std::string_view name = fields.substr(0, bar);
    const JsonValue* value = json_.find(name);
    if (value != nullptr && !value->is_null()) return Field{std::string(name), value};
    fields = bar == std::string_view::npos ? std::string_view{} : fields.substr(bar + 1);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ModelConfig::uint(std::string_view fields) const {
  const auto field = find(fields);
  if (!field) return std::nullopt;
  const auto value = field->value->as_uint();
  if (!value || *value >= (std::uint64_t{1} << 31)) {
    refuse(field->name,
           "is not a whole number from 0 to 2147483647 (" + printable(to_json(*field->value, -1)) + ")");
  }
  return value;
}

std::optional<double> ModelConfig::number(std::string_view fields) const {
  const auto field = find(fields);
  if (!field) return std::nullopt;
  const auto value = field->value->as_double();
  if (!value) refuse(field->name, "is not a number (" + printable(to_json(*field->value, -1)) + ")");
  return value;
}

std::optional<bool> ModelConfig::boolean(std::string_view fields) const {
  const auto field = find(fields);
  if (!field) return std::nullopt;
  const auto value = field->value->as_bool();
  if (!value) refuse(field->name, "is not true or false (" + printable(to_json(*field->value, -1)) + ")");
  return value;
}

std::optional<std::string> ModelConfig::text(std::string_view fields) const {
  const auto field = find(fields);
  if (!field) return std::nullopt;
  const std::string* value = field->value->as_string();
  if (value == nullptr) refuse(field->name, "is not a text (" + printable(to_json(*field->value, -1)) + ")");
  return *value;
}

std::uint64_t ModelConfig::need_uint(std::string_view fields) const {
  const auto value = uint(fields);
  if (!value) refuse(fields.substr(0, fields.find('|')), "is missing");
  return *value;
}

double ModelConfig::need_number(std::string_view fields) const {
  const auto value = number(fields);
  if (!value) refuse(fields.substr(0, fields.find('|')), "is missing");
  return *value;
}

std::vector<std::string> ModelConfig::texts(std::string_view fields) const {
  std::vector<std::string> out;
  const auto field = find(fields);
  if (!field) return out;
  const JsonArray* list = field->value->as_array();
  if (list == nullptr) refuse(field->name, "is not a list");
  for (const JsonValue& item : *list) {
    if (!item.is_string()) refuse(field->name, "holds something that is not a text");
    out.push_back(*item.as_string());
  }
  return out;
}

std::vector<std::uint64_t> ModelConfig::uints(std::string_view fields) const {
  std::vector<std::uint64_t> out;
  const auto field = find(fields);
  if (!field) return out;
  const JsonArray* list = field->value->as_array();
  if (list == nullptr) refuse(field->name, "is not a list");
  for (const JsonValue& item : *list) {
    const auto value = item.as_uint();
    if (!value || *value >= (std::uint64_t{1} << 31)) {
      refuse(field->name,
             "holds " + printable(to_json(item, -1)) + ", not a whole number from 0 to 2147483647");
    }
    out.push_back(*value);
  }
  return out;
}

std::uint64_t ModelConfig::block_count() const {
  return need_uint("num_hidden_layers|n_layers|n_layer|num_layers");
}
std::uint64_t ModelConfig::hidden_size() const {
  return need_uint(kHidden);
}
std::uint64_t ModelConfig::head_count() const {
  return need_uint(kHeads);
}
std::uint64_t ModelConfig::kv_head_count() const {
  const auto heads = uint(kKvHeads);
  return heads ? *heads : head_count();
}
std::uint64_t ModelConfig::head_dim() const {
  if (const auto dim = uint("head_dim")) return *dim;
  const std::uint64_t heads = head_count();
  if (heads == 0 || hidden_size() % heads != 0) {
    refuse(find(kHeads)->name, "is " + std::to_string(heads) + ", which does not divide the hidden size " +
                                   std::to_string(hidden_size()));
  }
  return hidden_size() / heads;
}
std::uint64_t ModelConfig::expert_count() const {
  return uint(kExperts).value_or(0);
}

const JsonValue& ModelConfig::main_rope() const noexcept {
  const JsonValue* full = rope_.find("full_attention");
  return full != nullptr && full->is_object() ? *full : rope_;
}

std::optional<double> ModelConfig::rope_number(const JsonValue& rope, std::string_view field) const {
  const JsonValue* value = rope.find(field);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto number = value->as_double();
  if (!number) refuse("rope_parameters." + std::string(field), "is not a number");
  return number;
}

std::string ModelConfig::rope_type(const JsonValue& rope) const {
  const JsonValue* value = rope.find("rope_type");
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) refuse("rope_parameters.rope_type", "is not a text");
  return *value->as_string();
}

/// Transformers 5 has everything in rope_parameters, 4 has rope_scaling beside rope_theta and others at the
/// top; what the old form keeps outside is copied in, unless settings are given per kind of layer.
void ModelConfig::normalize_rope() {
  rope_ = JsonObject{};
  if (const auto given = find("rope_parameters|rope_scaling")) {
    if (!given->value->is_object()) refuse(given->name, "is not an object");
    rope_ = *given->value;
  }
  if (rope_.find("full_attention") != nullptr || rope_.find("sliding_attention") != nullptr) return;
  const auto mirror = [&](std::string key, std::string_view fields) {
    const JsonValue* inside = rope_.find(key);
    const auto outside = find(fields);
    if (inside == nullptr && outside) rope_.set(std::move(key), *outside->value);
  };
  if (const auto local =
          find("local_rope_theta|rope_local_theta|rope_theta_local|swa_rope_theta|rope_local_base_freq")) {
    rope_.set("sliding_attention", JsonObject{{"rope_theta", *local->value}});
  }
  mirror("rope_theta", "global_rope_theta|rope_global_theta|rope_theta_global|rope_theta|rotary_emb_base");
  if (const JsonValue* old_name = rope_.find("type");
      old_name != nullptr && rope_.find("rope_type") == nullptr) {
    rope_.set("rope_type", JsonValue(*old_name));
  }
  mirror("partial_rotary_factor", "partial_rotary_factor|rope_pct|rope_percent");
  mirror("original_max_position_embeddings", "original_max_position_embeddings");
}

void ModelConfig::check_plausible() const {
  const std::uint64_t blocks = block_count();
  if (blocks == 0 || blocks > kMostBlocks) refuse("num_hidden_layers", "is " + std::to_string(blocks));
  const auto positive = [&](std::string_view fields) {
    const auto field = find(fields);
    if (field && !field->value->is_array() && *uint(fields) == 0) refuse(field->name, "is 0");
  };
  positive(kHidden);
  positive(kHeads);
  positive(kKvHeads);
  positive("head_dim");
  positive("intermediate_size|n_inner");
  positive("vocab_size");
  positive("max_position_embeddings|n_positions|n_ctx");
  const auto heads_field = find(kHeads);
  if (heads_field && !heads_field->value->is_array()) {
    const std::uint64_t heads = head_count();
    if (!has("head_dim") && has(kHidden) && hidden_size() % heads != 0) {
      refuse(heads_field->name, "is " + std::to_string(heads) + ", which does not divide the hidden size " +
                                    std::to_string(hidden_size()));
    }
    const auto kv_field = find(kKvHeads);
    if (kv_field && !kv_field->value->is_array()) {
      const std::uint64_t kv_heads = kv_head_count();
      if (kv_heads > heads || heads % kv_heads != 0) {
        refuse(kv_field->name, "is " + std::to_string(kv_heads) + ", which does not divide the " +
                                   std::to_string(heads) + " attention heads");
      }
    }
  }
  if (const auto dim = uint("head_dim"); dim && *dim % 2 != 0) {
    refuse("head_dim", "is odd (" + std::to_string(*dim) + ")");
  }
  const std::uint64_t experts = expert_count();
  if (experts > kMostExperts) refuse(find(kExperts)->name, "is " + std::to_string(experts));
  const auto used = uint("num_experts_per_tok|num_experts_per_token|moe_k");
  if (experts > 0 && used && *used > experts) {
    refuse("num_experts_per_tok",
           "is " + std::to_string(*used) + " of " + std::to_string(experts) + " experts");
  }
}

}  // namespace qtz
