#include "model/general_metadata.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "model/folder_file.h"
#include "model/front_matter.h"
#include "model/local_path.h"
#include "model/model_name.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/core/text.h"

namespace qtz {

namespace {

constexpr std::uint64_t kLargestCard = std::uint64_t{16} << 20;

/// Text keys in the order in which they are written.
constexpr std::string_view kTextKeys[] = {
    "general.name",       "general.author",     "general.version",      "general.organization",
    "general.finetune",   "general.basename",   "general.description",  "general.quantized_by",
    "general.size_label", "general.license",    "general.license.name", "general.license.link",
    "general.url",        "general.doi",        "general.uuid",         "general.repo_url",
    "general.source.url", "general.source.doi", "general.source.uuid",  "general.source.repo_url",
};

struct CardField {
  std::string_view key;
  std::string_view card;
};
/// Where a model card may say it; the first that says anything wins.
constexpr CardField kCardFields[] = {
    {"general.name", "name"},
    {"general.author", "author"},
    {"general.version", "version"},
    {"general.organization", "organization"},
    {"general.description", "description"},
    {"general.finetune", "finetune"},
    {"general.basename", "basename"},
    {"general.size_label", "size_label"},
    {"general.source.url", "url"},
    {"general.source.doi", "doi"},
    {"general.source.uuid", "uuid"},
    {"general.source.repo_url", "repo_url"},
    {"general.name", "model_name"},
    {"general.author", "model_author"},
    {"general.version", "model_version"},
    {"general.organization", "model_organization"},
    {"general.description", "model_description"},
    {"general.finetune", "model_finetune"},
    {"general.basename", "model_basename"},
    {"general.size_label", "model_size_label"},
    {"general.source.url", "model_url"},
    {"general.source.doi", "model_doi"},
    {"general.source.uuid", "model_uuid"},
    {"general.source.repo_url", "model_repo_url"},
    {"general.author", "model_creator"},
    {"general.basename", "model_type"},
    {"general.license", "license"},
    {"general.license.name", "license_name"},
    {"general.license.link", "license_link"},
};
constexpr std::string_view kCardLists[] = {"tags",       "pipeline_tag",   "languages",          "language",
                                           "base_model", "base_models",    "base_model_sources", "datasets",
                                           "dataset",    "dataset_sources"};

enum class Number { i32, f32, text };
struct SamplingField {
  std::string_view key;    ///< after "general.sampling."
  std::string_view field;  ///< in generation_config.json
  Number type;
};
constexpr SamplingField kSampling[] = {
    {"sequence", "sequence", Number::text},
    {"top_k", "top_k", Number::i32},
    {"top_p", "top_p", Number::f32},
    {"min_p", "min_p", Number::f32},
    {"xtc_probability", "xtc_probability", Number::f32},
    {"xtc_threshold", "xtc_threshold", Number::f32},
    {"temp", "temperature", Number::f32},
    {"penalty_last_n", "penalty_last_n", Number::i32},
    {"penalty_repeat", "penalty_repeat", Number::f32},
    {"mirostat", "mirostat", Number::i32},
    {"mirostat_tau", "mirostat_tau", Number::f32},
    {"mirostat_eta", "mirostat_eta", Number::f32},
};

/// Fields of one base model or data set.
using Origin = std::vector<std::pair<std::string, std::string>>;
constexpr std::string_view kOriginFields[] = {"name", "author", "version", "organization", "description",
                                              "url",  "doi",    "uuid",    "repo_url"};

std::optional<GgufValue> sampling_value(const JsonValue& value, Number type) {
  if (type == Number::text) {
    return value.is_string() ? std::optional<GgufValue>(*value.as_string()) : std::nullopt;
  }
  const auto number = value.as_double();
  if (!number) return std::nullopt;
  if (type == Number::f32) return GgufValue(static_cast<float>(*number));
  const auto whole = value.as_int();
  if (!whole || *whole < std::numeric_limits<std::int32_t>::min() ||
      *whole > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return GgufValue(static_cast<std::int32_t>(*whole));
}

/// Keys whose values are names and places, where tools write the paths that they worked with.
bool may_be_path(std::string_view key) {
  return key == "general.name" || key == "general.basename" || key == "general.license.link" ||
         key == "general.source.url" || key == "general.source.repo_url";
}

bool is_address(std::string_view id) {
  return id.starts_with("http://") || id.starts_with("https://") || id.starts_with("ssh://");
}

/// A path, or an id of more parts than the hub's "Org/Name".
bool is_no_hub_id(std::string_view id) {
  return !is_address(id) && (is_local_path(id) || std::count(id.begin(), id.end(), '/') > 1);
}

/// GGUF texts are UTF-8; model cards and folder names need not be. Writing JSON replaces what is not.
std::string utf8(const std::string& text) {
  const std::string json = to_json(JsonValue(text), -1);
  return *parse_json(json, JsonLimits{json.size(), 1}, "text").as_string();
}

std::vector<std::string> utf8(std::vector<std::string> texts) {
  for (std::string& text : texts) text = utf8(text);
  return texts;
}

class General {
 public:
  General(const GeneralSources& sources, std::vector<std::string>& warnings)
      : sources_(sources), warnings_(warnings) {}

  void gather() {
    if (sources_.folder) {
      read_card();
      read_generation_config();
    }
    read_names();
  }

  /// An override counts more than anything gathered.
  void override_from_file() {
    if (sources_.metadata_file) read_overrides(*sources_.metadata_file);
    if (sources_.model_name) texts_["general.name"] = *sources_.model_name;
  }

  void fill_gaps() {
    texts_.try_emplace("general.name", sources_.fallback_name);
    if (!sources_.size_label.empty()) texts_.try_emplace("general.size_label", sources_.size_label);
  }

  void write(KvList& keys) const {
    for (const SamplingField& field : kSampling) {
      const auto found = sampling_.find(field.key);
      if (found != sampling_.end()) keys.set("general.sampling." + std::string(field.key), found->second);
    }
    for (const std::string_view key : kTextKeys) {
      const auto found = texts_.find(key);
      if (found != texts_.end()) keys.set(std::string(key), utf8(found->second));
    }
    write_origins(keys, "general.base_model", base_models_);
    write_origins(keys, "general.dataset", datasets_);
    if (!tags_.empty()) keys.set("general.tags", utf8(tags_));
    if (!languages_.empty()) keys.set("general.languages", utf8(languages_));
  }

 private:
  void read_card() {
    const auto path = *sources_.folder / "README.md";
    if (!has_file(path)) return;
    const std::string text = read_text_file(path, kLargestCard);
    std::vector<std::string_view> wanted(std::begin(kCardLists), std::end(kCardLists));
    for (const CardField& field : kCardFields) wanted.push_back(field.card);
    const JsonValue card = read_front_matter(text, wanted, warnings_);
    for (const CardField& field : kCardFields) {
      const JsonValue* value = card.find(field.card);
      if (value != nullptr) offer_from_card(field, card_text(*value));
    }
    add_texts(tags_, card.find("tags"));
    add_texts(tags_, card.find("pipeline_tag"));
    add_texts(languages_, card.find("languages"));
    add_texts(languages_, card.find("language"));
    read_origins(card, {"base_model", "base_models", "base_model_sources"}, base_models_);
    read_origins(card, {"datasets", "dataset", "dataset_sources"}, datasets_);
  }

  void offer_from_card(const CardField& field, std::optional<std::string> text) {
    // A licence may lie beside the card.
    const bool beside = field.key == "general.license.link" && text && text->starts_with("./");
    if (text && may_be_path(field.key) && is_local_path(*text) && !beside) {
      return leave_out_path(field.card, *text);
    }
    offer(field.key, std::move(text));
  }

  void leave_out_path(std::string_view field, std::string_view path) {
    warnings_.push_back("README.md: '" + std::string(field) + "' is left out: '" + printable(path) +
                        "' is a path of somebody's machine");
  }

  /// A text, or several joined (a list of licences).
  static std::optional<std::string> card_text(const JsonValue& value) {
    if (value.is_string()) return *value.as_string();
    if (value.as_array() == nullptr) return std::nullopt;
    std::string out;
    for (const JsonValue& item : *value.as_array()) {
      if (!item.is_string()) return std::nullopt;
      if (!out.empty()) out += ',';
      out += *item.as_string();
    }
    return out;
  }

  static void add_texts(std::vector<std::string>& list, const JsonValue* value) {
    if (value == nullptr) return;
    if (value->is_string()) list.push_back(*value->as_string());
    if (value->as_array() == nullptr) return;
    for (const JsonValue& item : *value->as_array()) {
      if (item.is_string()) list.push_back(*item.as_string());
    }
  }

  void read_origins(const JsonValue& card, std::initializer_list<std::string_view> fields,
                    std::vector<Origin>& origins) {
    for (const std::string_view field : fields) {
      const JsonValue* value = card.find(field);
      if (value == nullptr) continue;
      if (value->is_string()) add_origins(JsonArray{*value}, origins, field);
      if (value->as_array() != nullptr) add_origins(*value->as_array(), origins, field);
      return;
    }
  }

  /// `card` is the card's field, whose paths are left out; a person's own words are taken as they are.
  void add_origins(const JsonArray& list, std::vector<Origin>& origins, std::string_view card = {}) {
    for (const JsonValue& item : list) {
      if (item.is_string()) {
        const std::string& id = *item.as_string();
        if (!card.empty() && is_no_hub_id(id)) {
          leave_out_path(card, id);
        } else {
          origins.push_back(origin_of_id(id));
        }
      } else if (item.is_object()) {
        origins.push_back(origin_of_fields(item, card));
      }
    }
  }

  Origin origin_of_fields(const JsonValue& item, std::string_view card) {
    Origin origin;
    for (const std::string_view field : kOriginFields) {
      const JsonValue* value = item.find(field);
      if (value == nullptr || !value->is_string()) continue;
      const bool place = field == "name" || field == "url" || field == "repo_url";
      if (!card.empty() && place && is_local_path(*value->as_string())) {
        leave_out_path(card, *value->as_string());
      } else {
        origin.emplace_back(field, *value->as_string());
      }
    }
    return origin;
  }

  /// A hub id or an address; only hub ids say more than themselves.
  Origin origin_of_id(std::string_view id) const {
    Origin origin;
    const bool address = is_address(id);
    std::string_view hub_id = id;
    if (address) {
      const auto hub = id.find("huggingface.co/");
      hub_id = hub == std::string_view::npos ? std::string_view{} : id.substr(id.find('/', hub) + 1);
      if (std::count(hub_id.begin(), hub_id.end(), '/') != 1) hub_id = {};
    }
    if (!hub_id.empty()) {
      const NameParts parts = split_model_id(hub_id, sources_.parameters);
      if (parts.full_name) origin.emplace_back("name", title_of(*parts.full_name));
      if (parts.version) origin.emplace_back("version", *parts.version);
      if (parts.organization) origin.emplace_back("organization", title_of(*parts.organization));
      if (!address && parts.organization && parts.full_name) {
        origin.emplace_back("repo_url",
                            "https://huggingface.co/" + *parts.organization + "/" + *parts.full_name);
      }
    }
    if (address) origin.emplace_back("repo_url", id);
    return origin;
  }

  void read_generation_config() {
    const auto path = *sources_.folder / "generation_config.json";
    if (!has_file(path)) return;
    const JsonLimits limits;
    std::error_code unknown;
    const std::uintmax_t size = std::filesystem::file_size(path, unknown);
    if (!unknown && size > limits.max_bytes) {
      throw Error(ErrorKind::input_invalid,
                  printable(path.native()) + ": JSON of " + format_bytes(size) +
                      " is larger than the limit of " + format_bytes(limits.max_bytes),
                  "sampler hints need a few hundred bytes; check what the file is, or remove it");
    }
    const std::string text = read_text_file(path, limits.max_bytes);
    JsonValue document;
    try {
      refuse_what_is_no_json(InputFile(path));
      document = parse_json(text, limits, printable(path.native()));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input_invalid) throw;
      warnings_.push_back("sampler hints are left out: " + error.message());
      return;
    }
    for (const SamplingField& field : kSampling) {
      const JsonValue* value = document.find(field.field);
      if (value == nullptr || value->is_null()) continue;
      if (auto made = sampling_value(*value, field.type)) {
        sampling_.insert_or_assign(field.key, std::move(*made));
      } else {
        warnings_.push_back("generation_config.json: '" + std::string(field.field) + "' is left out: not a " +
                            (field.type == Number::text ? "text" : "number"));
      }
    }
  }

  void read_names() {
    if (sources_.config != nullptr) {
      const JsonValue* path = sources_.config->find("_name_or_path");
      // What was loaded for training: often a path of somebody's machine.
      if (path != nullptr && path->is_string() && !path->as_string()->empty() &&
          !is_address(*path->as_string()) && !is_no_hub_id(*path->as_string())) {
        offer_name(*path->as_string());
      }
    }
    offer_name(sources_.fallback_name);
  }

  void offer_name(std::string_view id) {
    const NameParts parts = split_model_id(id, sources_.parameters);
    if (parts.full_name) offer("general.name", title_of(*parts.full_name));
    if (parts.organization) offer("general.organization", title_of(*parts.organization));
    offer("general.basename", parts.basename);
    offer("general.finetune", parts.finetune);
    offer("general.version", parts.version);
    offer("general.size_label", parts.size_label);
  }

  void offer(std::string_view key, std::optional<std::string> value) {
    if (value && !value->empty()) texts_.try_emplace(key, std::move(*value));
  }

  void read_overrides(const std::filesystem::path& path) {
    const JsonLimits limits;
    const std::string where = printable(path.native());
    const JsonValue document = parse_json(read_text_file_or_pipe(path, limits.max_bytes), limits, where);
    if (!document.is_object()) {
      throw Error(ErrorKind::input_invalid, where + ": is not a JSON object",
                  R"(it should read like {"general.name": "...", "general.author": "..."})");
    }
    for (const auto& [key, value] : *document.as_object()) override_one(where, key, value);
  }

  void override_one(const std::string& where, const std::string& key, const JsonValue& value) {
    const auto refuse = [&](std::string_view problem) {
      throw Error(ErrorKind::input_invalid, where + ": '" + printable(key) + "' " + std::string(problem),
                  "the keys are those of general.* in a GGUF file");
    };
    const auto text_key = std::find(std::begin(kTextKeys), std::end(kTextKeys), key);
    if (text_key != std::end(kTextKeys)) {
      if (!value.is_string()) refuse("is not a text");
      texts_.insert_or_assign(*text_key, *value.as_string());
      return;
    }
    for (const SamplingField& field : kSampling) {
      if (key != "general.sampling." + std::string(field.key)) continue;
      auto made = sampling_value(value, field.type);
      if (!made) refuse(field.type == Number::text ? "is not a text" : "is not a number that fits");
      sampling_.insert_or_assign(field.key, std::move(*made));
      return;
    }
    if (key == "general.tags" || key == "general.languages") {
      auto& list = key == "general.tags" ? tags_ : languages_;
      list.clear();
      if (value.as_array() == nullptr) refuse("is not a list of texts");
      add_texts(list, &value);
      return;
    }
    if (key == "general.base_models" || key == "general.datasets") {
      auto& origins = key == "general.base_models" ? base_models_ : datasets_;
      origins.clear();
      if (value.as_array() == nullptr) refuse("is not a list");
      add_origins(*value.as_array(), origins);
      return;
    }
    refuse("is not a key that can be set");
  }

  static void write_origins(KvList& keys, const std::string& prefix, const std::vector<Origin>& origins) {
    if (origins.empty()) return;
    keys.set(prefix + ".count", static_cast<std::uint32_t>(origins.size()));
    for (std::size_t i = 0; i < origins.size(); ++i) {
      for (const std::string_view field : kOriginFields) {
        for (const auto& [name, value] : origins[i]) {
          if (name == field) keys.set(prefix + "." + std::to_string(i) + "." + name, utf8(value));
        }
      }
    }
  }

  const GeneralSources& sources_;
  std::vector<std::string>& warnings_;
  std::map<std::string_view, std::string> texts_;
  std::map<std::string_view, GgufValue> sampling_;
  std::vector<Origin> base_models_, datasets_;
  std::vector<std::string> tags_, languages_;
};

}  // namespace

void add_general_metadata(KvList& keys, const GeneralSources& sources, std::vector<std::string>& warnings) {
  General general(sources, warnings);
  general.gather();
  general.override_from_file();
  general.fill_gaps();
  general.write(keys);
}

void apply_metadata_overrides(KvList& keys, const GeneralSources& sources) {
  std::vector<std::string> unused;
  General general(sources, unused);
  general.override_from_file();
  general.write(keys);
}

std::string folder_model_id(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::path full = std::filesystem::absolute(folder, error).lexically_normal();
  if (full.filename().empty()) full = full.parent_path();
  // A hub cache keeps "Org/Name" as models--Org--Name/snapshots/<revision>.
  constexpr std::string_view kCached = "models--";
  const auto snapshots = full.parent_path();
  std::string cached = snapshots.parent_path().filename().native();
  if (snapshots.filename() == "snapshots" && cached.starts_with(kCached)) {
    cached.erase(0, kCached.size());
    if (const auto dashes = cached.find("--"); dashes != std::string::npos) cached.replace(dashes, 2, "/");
    return cached;
  }
  return full.filename().native();
}

}  // namespace qtz
