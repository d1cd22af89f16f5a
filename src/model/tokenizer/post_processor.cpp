#include "model/tokenizer/post_processor.h"

#include <algorithm>
#include <optional>

#include "model/tokenizer/special_tokens.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

const JsonValue kNothing;

bool is_given(const JsonValue& value) noexcept {
  if (const std::string* text = value.as_string()) return !text->empty();
  const JsonObject* object = value.as_object();
  return object != nullptr && !object->empty();
}

bool is_text(const JsonValue& value, std::string_view text) noexcept {
  const std::string* own = value.as_string();
  return own != nullptr && *own == text;
}

const JsonArray& array_member(const JsonValue& object, std::string_view key) {
  static const JsonArray kEmpty;
  const JsonValue* value = object.find(key);
  const JsonArray* array = value ? value->as_array() : nullptr;
  return array ? *array : kEmpty;
}

/// "id" of the piece's "SpecialToken" or "Sequence" member; empty when it is a piece of the other kind.
std::string piece_id(const JsonValue& piece, std::string_view kind) {
  const JsonValue* body = piece.find(kind);
  const JsonValue* id = body ? body->find("id") : nullptr;
  const std::string* text = id ? id->as_string() : nullptr;
  return text ? *text : std::string();
}

std::string type_of(const JsonValue& processor) {
  const JsonValue* type = processor.find("type");
  const std::string* text = type ? type->as_string() : nullptr;
  return text ? *text : std::string();
}

template <typename Visit>
void for_each_processor(const JsonValue& post_processor, Visit visit) {
  const JsonValue* parts = post_processor.find("processors");
  if (parts == nullptr || parts->as_array() == nullptr) {
    visit(post_processor);
  } else {
    for (const JsonValue& part : *parts->as_array()) visit(part);
  }
}

/// One pass over a post-processor; keeps the four tokens as the configurations and earlier processors left
/// them.
class Reader {
 public:
  Reader(bool has_config, SpecialTexts& texts, std::vector<std::string>& names, SpecialTokens& out)
      : has_config_(has_config),
        texts_(texts),
        names_(names),
        out_(out),
        bos_(texts.get("bos")),
        eos_(texts.get("eos")),
        cls_(texts.get("cls")),
        sep_(texts.get("sep")) {
    if (!is_given(bos_) && is_given(cls_)) learn("bos", bos_, cls_);
    if (!is_given(eos_) && is_given(sep_)) learn("eos", eos_, sep_);
  }

  void roberta(const JsonValue& processor) {
    for (const char* name : {"bos", "eos", "sep"}) out_.set_add(name, true);
    if (!has_config_) return;
    const auto first_of = [&](std::string_view key, const JsonValue& otherwise) {
      const JsonArray& pair = array_member(processor, key);
      return pair.empty() ? otherwise : pair.front();
    };
    if (!is_given(cls_)) learn("cls", cls_, first_of("cls", bos_));
    if (!is_given(sep_)) learn("sep", sep_, first_of("sep", eos_));
  }

  void templates(const JsonValue& processor) {
    const JsonArray& single = array_member(processor, "single");
    std::string first;
    std::string last;
    if (single.size() > 1) {
      first = piece_id(single.front(), "SpecialToken");
      last = piece_id(single.back(), "SpecialToken");
      if (!first.empty()) leading(first);
      if (!last.empty()) trailing(last);
    }
    pair(array_member(processor, "pair"), first, last);
  }

 private:
  /// Without a tokenizer_config.json nothing is remembered beyond this pass.
  void learn(const std::string& name, JsonValue& own, const JsonValue& value) {
    if (has_config_) texts_.set(name, value);
    own = value;
  }

  void leading(const std::string& first) {
    if (!has_config_) {
      bos_ = first;
    } else if (!is_text(bos_, first) && !is_text(cls_, first)) {
      if (!is_given(bos_)) learn("bos", bos_, first);
      if (!is_given(cls_)) learn("cls", cls_, first);
    }
    const bool known = is_text(bos_, first) || is_text(cls_, first);
    out_.set_add("bos", known);
    if (!known) unknown("before", first);
  }

  void trailing(const std::string& last) {
    if (!has_config_) {
      eos_ = last;
    } else if (!is_text(eos_, last)) {
      // What the configuration calls eos still ends something: it is kept under another name.
      for (const char* spare : {"eot", "eom"}) {
        if (std::find(names_.begin(), names_.end(), spare) != names_.end()) continue;
        names_.push_back(spare);
        texts_.set(spare, eos_);
        break;
      }
      learn("eos", eos_, last);
    }
    out_.set_add("eos", true);
  }

  /// [first] A [separator] [separator] B [last]
  void pair(const JsonArray& pieces, const std::string& first, const std::string& last) {
    std::size_t begin = 0;
    std::size_t end = pieces.size();
    if (end > 0 && !first.empty() && piece_id(pieces.front(), "SpecialToken") == first) begin = 1;
    if (end > 0 && !last.empty() && piece_id(pieces.back(), "SpecialToken") == last) --end;
    if (begin + 2 >= end || piece_id(pieces[begin], "Sequence") != "A" ||
        piece_id(pieces[end - 1], "Sequence") != "B") {
      return;
    }
    const std::string one = piece_id(pieces[begin + 1], "SpecialToken");
    bool add = is_separator(one) && last.empty();
    if (end - begin == 4 && is_separator(piece_id(pieces[begin + 2], "SpecialToken"))) add = true;
    out_.set_add("sep", add);
    if (add && !is_given(sep_) && has_config_) texts_.set("sep", eos_);
  }

  bool is_separator(const std::string& text) const {
    return !text.empty() && (is_text(sep_, text) || is_text(eos_, text));
  }

  void unknown(std::string_view where, const std::string& token) {
    out_.warnings.push_back("tokenizer.json puts '" + printable(token) + "' " + std::string(where) +
                            " a text, which tokenizer_config.json names neither bos nor cls");
  }

  bool has_config_;
  SpecialTexts& texts_;
  std::vector<std::string>& names_;
  SpecialTokens& out_;
  JsonValue bos_;
  JsonValue eos_;
  JsonValue cls_;
  JsonValue sep_;
};

}  // namespace

const JsonValue& SpecialTexts::get(const std::string& name) const {
  if (const auto changed = changed_.find(name); changed != changed_.end()) return changed->second;
  const JsonValue* value = config_.find(name + "_token");
  return value ? *value : kNothing;
}

Framing framing_of(const JsonValue& post_processor) {
  Framing framing = Framing::none;
  for_each_processor(post_processor, [&](const JsonValue& processor) {
    const std::string type = type_of(processor);
    if (type == "RobertaProcessing") framing = Framing::roberta;
    const JsonArray& single = array_member(processor, "single");
    if (type == "TemplateProcessing" && single.size() > 1 &&
        !piece_id(single.front(), "SpecialToken").empty()) {
      framing = Framing::leading;
    }
  });
  return framing;
}

void apply_post_processor(const JsonValue& post_processor, bool has_config, SpecialTexts& texts,
                          std::vector<std::string>& names, SpecialTokens& out) {
  Reader reader(has_config, texts, names, out);
  for_each_processor(post_processor, [&](const JsonValue& processor) {
    const std::string type = type_of(processor);
    if (type == "RobertaProcessing") reader.roberta(processor);
    if (type == "TemplateProcessing") reader.templates(processor);
  });
}

}  // namespace qtz
