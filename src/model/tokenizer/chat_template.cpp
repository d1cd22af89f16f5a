#include "model/tokenizer/chat_template.h"

#include <algorithm>

#include "model/folder_file.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

struct Template {
  std::string name;
  std::string text;
};

void check(const std::string& text, const std::string& where) {
  if (text.size() > kMaxTemplateBytes) {
    throw Error(ErrorKind::input_invalid, where + ": chat template of " + format_bytes(text.size()) +
                                              " is larger than the limit of " +
                                              format_bytes(kMaxTemplateBytes));
  }
  if (!is_utf8(text)) throw Error(ErrorKind::input_invalid, where + ": chat template is not UTF-8");
}

void check_count(std::size_t count, const std::string& where) {
  if (count <= kMaxTemplates) return;
  throw Error(ErrorKind::input_invalid, where + ": " + std::to_string(count) +
                                            " chat templates are more than the limit of " +
                                            std::to_string(kMaxTemplates));
}

std::string read_template(const std::filesystem::path& path) {
  std::string text = read_folder_text(path, kMaxTemplateBytes);
  check(text, printable(path.native()));
  return text;
}

/// Names become parts of keys.
std::string key_part(std::string_view name) {
  std::string out(name);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')); },
      '_');
  return out;
}

/// chat_template.jinja is the default; its neighbours carry their file names.
std::vector<Template> templates_of_files(const HubTokenizer& hub) {
  std::vector<Template> out;
  if (!hub.has("chat_template.jinja")) return out;
  out.push_back({"default", read_template(hub.path("chat_template.jinja"))});
  std::vector<std::filesystem::path> more;
  const auto folder = hub.path("additional_chat_templates");
  std::error_code error;
  std::filesystem::directory_iterator at(folder, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    if (at->path().extension() == ".jinja") more.push_back(at->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw Error(ErrorKind::input_missing,
                printable(folder.native()) + ": cannot be read: " + error.message());
  }
  check_count(more.size() + out.size(), printable(folder.native()));
  std::sort(more.begin(), more.end());
  for (const auto& path : more) out.push_back({path.stem().string(), read_template(path)});
  return out;
}

/// A "chat_template" member: a text, or a list of objects with "name" and "template".
std::vector<Template> templates_of_value(const JsonValue& value, const std::string& where,
                                         std::vector<std::string>& warnings) {
  std::vector<Template> out;
  const auto text_of = [](const JsonValue& object, std::string_view key) -> const std::string* {
    const JsonValue* member = object.find(key);
    return member ? member->as_string() : nullptr;
  };
  if (const std::string* only = value.as_string()) {
    out.push_back({"default", *only});
  } else if (const JsonArray* list = value.as_array()) {
    check_count(list->size(), where);
    for (const JsonValue& choice : *list) {
      const std::string* name = text_of(choice, "name");
      const std::string* text = text_of(choice, "template");
      if (name != nullptr && text != nullptr) out.push_back({*name, *text});
    }
  } else {
    warnings.push_back(where + ": chat_template is of type " + std::string(value.type_name()) + ": left out");
  }
  for (const Template& choice : out) check(choice.text, where);
  return out;
}

std::vector<Template> find_templates(const HubTokenizer& hub, bool file_first,
                                     std::vector<std::string>& warnings) {
  if (file_first && hub.has("chat_template.jinja")) return templates_of_files(hub);
  const JsonValue* configured = hub.config().find("chat_template");
  if (configured != nullptr && !configured->is_null()) {
    return templates_of_value(*configured, printable(hub.path("tokenizer_config.json").native()), warnings);
  }
  if (hub.has("chat_template.jinja")) return templates_of_files(hub);
  if (!hub.has("chat_template.json")) return {};
  const auto path = hub.path("chat_template.json");
  const JsonValue document = read_folder_json(path, {2 * kMaxTemplateBytes, 64});
  const JsonValue* value = document.find("chat_template");
  if (value == nullptr || value->is_null()) return {};
  return templates_of_value(*value, printable(path.native()), warnings);
}

}  // namespace

bool write_chat_template(const HubTokenizer& hub, bool file_first, KvList& keys,
                         std::vector<std::string>& warnings) {
  std::vector<std::string> names;
  const std::string* standard = nullptr;
  const std::vector<Template> templates = find_templates(hub, file_first, warnings);
  for (const Template& choice : templates) {
    const std::string name = key_part(choice.name);
    if (name.empty()) continue;
    if (name == "default") {
      standard = &choice.text;
      continue;
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    keys.set("tokenizer.chat_template." + name, choice.text);
  }
  if (!names.empty()) keys.set("tokenizer.chat_templates", std::move(names));
  if (standard != nullptr) keys.set("tokenizer.chat_template", *standard);
  return standard != nullptr;
}

}  // namespace qtz
