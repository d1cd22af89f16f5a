#include "model/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "model/folder_file.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMaxTokenizerBytes = 256u << 20;
constexpr std::uint64_t kMaxMerges = 8 * kMaxVocabulary;
constexpr std::uint64_t kMaxSubtreeBytes = 32u << 20;

[[noreturn]] void refuse(const std::string& what, std::string hint = {}) {
  throw Error(ErrorKind::input_invalid, what, std::move(hint));
}

std::uint32_t checked_id(std::uint64_t id, std::string_view token) {
  if (id >= kMaxVocabulary) {
    refuse("token '" + printable(token) + "' has id " + std::to_string(id) +
           ", beyond the largest vocabulary of " + std::to_string(kMaxVocabulary));
  }
  return static_cast<std::uint32_t>(id);
}

/// Appends `part` with every space as U+0120, so that the space between the two parts stays the only one.
void append_merge_part(std::string& merge, std::string_view part) {
  for (const char c : part) {
    if (c == ' ') {
      merge += "\xC4\xA0";
    } else {
      merge += c;
    }
  }
}

/// A visitor whose events all end in one of five calls, so that a reader of one shape stays short.
class EventVisitor : public JsonVisitor {
 public:
  void on_null() final { on_other("null"); }
  void on_bool(bool value) final { on_flag(value); }
  void on_int(std::int64_t value) final { on_other(std::to_string(value)); }
  void on_uint(std::uint64_t value) final { on_number(value); }
  void on_double(double) final { on_other("a fraction"); }

 protected:
  virtual void on_number(std::uint64_t value) = 0;
  virtual void on_flag(bool value) = 0;
  virtual void on_other(std::string_view what) = 0;  ///< null, a negative or fractional number
};

/// {"token": id, ...}
class VocabVisitor final : public EventVisitor {
 public:
  std::vector<VocabEntry> entries;

  void on_key(std::string& key) override {
    if (entries.size() >= kMaxVocabulary)
      refuse("the vocabulary has more than " + std::to_string(kMaxVocabulary) + " entries");
    token_ = std::move(key);
  }
  void on_string(std::string&) override { on_other("a string"); }
  void on_start_object() override {
    if (++depth_ > 1) on_other("an object");
  }
  void on_end_object() override { --depth_; }
  void on_start_array() override { on_other("an array"); }
  void on_end_array() override {}

 private:
  void on_number(std::uint64_t value) override {
    if (depth_ == 0) on_other("a number");
    const std::uint32_t id = checked_id(value, token_);
    entries.push_back({id, std::move(token_)});
  }
  void on_flag(bool) override { on_other("a boolean"); }
  void on_other(std::string_view what) override {
    if (depth_ == 0) refuse("the vocabulary is " + std::string(what) + ", expected an object of token ids");
    refuse("token '" + printable(token_) + "' has " + std::string(what) + " for its id, expected a number");
  }

  unsigned depth_ = 0;
  std::string token_;
};

/// ["left right", ...] or [["left", "right"], ...]
class MergesVisitor final : public EventVisitor {
 public:
  std::vector<std::string> merges;

  void on_key(std::string&) override {}
  void on_string(std::string& value) override {
    if (depth_ == 1) {
      if (pairs_) malformed();
      add(std::move(value));
    } else if (depth_ == 2 && parts_ < 2) {
      if (parts_++ == 1) pair_ += ' ';
      append_merge_part(pair_, value);
    } else {
      malformed();
    }
  }
  void on_start_object() override { malformed(); }
  void on_end_object() override {}
  void on_start_array() override {
    if (++depth_ == 1) return;
    if (depth_ > 2 || (!pairs_ && !merges.empty())) malformed();
    pairs_ = true;
    parts_ = 0;
    pair_.clear();
  }
  void on_end_array() override {
    if (depth_-- != 2) return;
    if (parts_ != 2) malformed();
    add(std::move(pair_));
    pair_.clear();
  }

 private:
  void on_number(std::uint64_t) override { malformed(); }
  void on_flag(bool) override { malformed(); }
  void on_other(std::string_view) override { malformed(); }
  void add(std::string merge) {
    if (merges.size() >= kMaxMerges) refuse("more than " + std::to_string(kMaxMerges) + " merges");
    merges.push_back(std::move(merge));
  }
  [[noreturn]] void malformed() const {
    refuse("merge " + std::to_string(merges.size()) +
           " is not a text of two parts or a pair of texts like the others");
  }

  unsigned depth_ = 0;
  bool pairs_ = false;
  unsigned parts_ = 0;
  std::string pair_;
};

/// [["piece", score], ...]
class PiecesVisitor final : public JsonVisitor {
 public:
  std::vector<ScoredPiece> pieces;

  void on_null() override { malformed(); }
  void on_bool(bool) override { malformed(); }
  void on_int(std::int64_t value) override { on_double(static_cast<double>(value)); }
  void on_uint(std::uint64_t value) override { on_double(static_cast<double>(value)); }
  void on_double(double value) override {
    const auto score = static_cast<float>(value);
    if (depth_ != 2 || parts_++ != 1 || !std::isfinite(score)) malformed();
    if (pieces.size() >= kMaxVocabulary)
      refuse("the vocabulary has more than " + std::to_string(kMaxVocabulary) + " entries");
    pieces.push_back({std::move(text_), score});
  }
  void on_string(std::string& value) override {
    if (depth_ != 2 || parts_++ != 0) malformed();
    text_ = std::move(value);
  }
  void on_key(std::string&) override {}
  void on_start_object() override { malformed(); }
  void on_end_object() override {}
  void on_start_array() override {
    if (++depth_ > 2) malformed();
    parts_ = 0;
  }
  void on_end_array() override {
    if (depth_-- == 2 && parts_ != 2) malformed();
  }

 private:
  [[noreturn]] void malformed() const {
    refuse("entry " + std::to_string(pieces.size()) +
           " of the vocabulary is not a pair of a text and a finite score");
  }

  unsigned depth_ = 0;
  unsigned parts_ = 0;
  std::string text_;
};

/// Passes over a value.
class SkipVisitor final : public EventVisitor {
 public:
  void on_key(std::string&) override {}
  void on_string(std::string&) override {}
  void on_start_object() override {}
  void on_end_object() override {}
  void on_start_array() override {}
  void on_end_array() override {}

 private:
  void on_number(std::uint64_t) override {}
  void on_flag(bool) override {}
  void on_other(std::string_view) override {}
};

/// The whole document: hands each member of the root and of "model" to the visitor for its shape.
class DocumentVisitor final : public JsonVisitor {
 public:
  DocumentVisitor(std::string_view where, TokenizerJson& out) : where_(where), out_(out), tree_(where) {}

  void on_null() override {
    scalar(0, [](JsonVisitor& to) { to.on_null(); });
  }
  void on_bool(bool value) override {
    scalar(0, [&](JsonVisitor& to) { to.on_bool(value); });
  }
  void on_int(std::int64_t value) override {
    scalar(0, [&](JsonVisitor& to) { to.on_int(value); });
  }
  void on_uint(std::uint64_t value) override {
    scalar(0, [&](JsonVisitor& to) { to.on_uint(value); });
  }
  void on_double(double value) override {
    scalar(0, [&](JsonVisitor& to) { to.on_double(value); });
  }
  void on_string(std::string& value) override {
    scalar(value.size(), [&](JsonVisitor& to) { to.on_string(value); });
  }
  void on_key(std::string& key) override {
    if (target_ != nullptr) {
      spend(key.size());
      target_->on_key(key);
      return;
    }
    if (!seen_.insert(std::to_string(level_) + key).second)
      refuse("key '" + printable(key) + "' appears twice");
    key_ = std::move(key);
  }
  void on_start_object() override {
    if (target_ == nullptr && (level_ == 0 || (level_ == 1 && key_ == "model"))) {
      ++level_;
      return;
    }
    begin_value(Shape::object);
    ++open_;
    target_->on_start_object();
  }
  void on_end_object() override {
    if (target_ == nullptr) {
      --level_;
      return;
    }
    target_->on_end_object();
    --open_;
    end_value();
  }
  void on_start_array() override {
    begin_value(Shape::array);
    ++open_;
    target_->on_start_array();
  }
  void on_end_array() override {
    target_->on_end_array();
    --open_;
    end_value();
  }

  /// After the visit: moves what was read into the result.
  void finish() {
    out_.vocab = std::move(vocab_.entries);
    out_.merges = std::move(merges_.merges);
    out_.pieces = std::move(pieces_.pieces);
    if (!out_.model_type.empty()) return;
    // Files of the first years do not name the kind.
    out_.model_type = vocab_is_array_ ? "Unigram" : !out_.merges.empty() ? "BPE" : "WordPiece";
  }

 private:
  enum class Shape { scalar, object, array };

  template <typename Forward>
  void scalar(std::size_t bytes, Forward forward) {
    begin_value(Shape::scalar);
    spend(bytes);
    forward(*target_);
    end_value();
  }

  /// Chooses who reads the value that begins now.
  void begin_value(Shape shape) {
    if (target_ != nullptr) return;
    if (level_ == 0) refuse("the document is not an object");
    spent_ = 0;
    const bool in_model = level_ == 2;
    if (in_model && key_ == "vocab") {
      vocab_is_array_ = shape == Shape::array;
      target_ = vocab_is_array_ ? static_cast<JsonVisitor*>(&pieces_) : &vocab_;
    } else if (in_model && key_ == "merges" && shape == Shape::array) {
      target_ = &merges_;
    } else if (in_model ? is_model_fact(key_) : is_root_fact(key_)) {
      tree_ = JsonTreeBuilder(where_);
      target_ = &tree_;
    } else {
      target_ = &skip_;
    }
  }

  static bool is_model_fact(std::string_view key) {
    return key == "type" || key == "byte_fallback" || key == "ignore_merges" || key == "unk_id";
  }
  static bool is_root_fact(std::string_view key) {
    return key == "added_tokens" || key == "normalizer" || key == "pre_tokenizer" ||
           key == "post_processor" || key == "decoder";
  }

  /// Keeps what a hostile document can make us hold bounded.
  void spend(std::size_t bytes) {
    if (target_ != &tree_) return;
    spent_ += bytes + 64;
    if (spent_ > kMaxSubtreeBytes) refuse("'" + printable(key_) + "' is larger than any tokenizer needs");
  }

  void end_value() {
    spend(0);
    if (open_ > 0) return;
    if (target_ == &tree_) store(tree_.take());
    target_ = nullptr;
  }

  void store(JsonValue value) {
    if (level_ == 2) {
      if (key_ == "type" && value.as_string()) out_.model_type = *value.as_string();
      if (key_ == "unk_id") out_.unknown_id = value.as_uint();
      if (key_ == "byte_fallback") out_.byte_fallback = value.as_bool();
      if (key_ == "ignore_merges") out_.ignore_merges = value.as_bool().value_or(false);
    } else if (key_ == "added_tokens") {
      store_added_tokens(value);
    } else if (key_ == "normalizer") {
      out_.normalizer = std::move(value);
    } else if (key_ == "pre_tokenizer") {
      out_.pre_tokenizer = std::move(value);
    } else if (key_ == "post_processor") {
      out_.post_processor = std::move(value);
    } else {
      out_.decoder = std::move(value);
    }
  }

  void store_added_tokens(const JsonValue& value) {
    if (value.is_null()) return;
    const JsonArray* tokens = value.as_array();
    if (tokens == nullptr)
      refuse("'added_tokens' is of type " + std::string(value.type_name()) + ", expected array");
    for (const JsonValue& token : *tokens) {
      const JsonValue* id = token.find("id");
      const auto number = id ? id->as_uint() : std::nullopt;
      if (!number) refuse("an added token has no id, or one that is negative or not a number");
      out_.added_tokens.push_back(parse_added_token(token, *number, where_));
    }
  }

  std::string_view where_;
  TokenizerJson& out_;
  JsonTreeBuilder tree_;
  SkipVisitor skip_;
  VocabVisitor vocab_;
  PiecesVisitor pieces_;
  MergesVisitor merges_;
  JsonVisitor* target_ = nullptr;
  unsigned level_ = 0;  ///< 1 in the root, 2 in "model"
  unsigned open_ = 0;   ///< containers open below target_
  std::uint64_t spent_ = 0;
  bool vocab_is_array_ = false;
  std::string key_;
  std::set<std::string> seen_;
};

template <typename Visitor>
void visit(const std::filesystem::path& path, Visitor& visitor) {
  const InputFile file(path);
  refuse_what_is_no_json(file);
  try {
    visit_json_file(file, {kMaxTokenizerBytes, 64}, visitor);
  } catch (Error& error) {
    // The parser's own messages name the file already.
    if (error.message().find(path.native()) == std::string::npos) error.add_context(printable(path.native()));
    throw;
  }
}

}  // namespace

TokenizerJson read_tokenizer_json(const std::filesystem::path& path) {
  TokenizerJson out;
  const std::string where = printable(path.native());
  DocumentVisitor visitor(where, out);
  visit(path, visitor);
  visitor.finish();
  return out;
}

std::vector<VocabEntry> read_vocab_json(const std::filesystem::path& path) {
  VocabVisitor visitor;
  visit(path, visitor);
  return std::move(visitor.entries);
}

std::vector<std::string> read_merges_text(const std::filesystem::path& path, std::uint64_t& malformed) {
  const std::string text = read_folder_text(path, kMaxTokenizerBytes);
  std::vector<std::string> merges;
  malformed = 0;
  std::string_view rest = text;
  for (bool first = true; !rest.empty(); first = false) {
    const auto end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || (first && line.front() == '#')) continue;
    const auto space = line.find(' ');
    if (space == 0 || space == std::string_view::npos ||
        line.find(' ', space + 1) != std::string_view::npos) {
      ++malformed;
      continue;
    }
    if (merges.size() >= kMaxMerges) refuse(printable(path.native()) + ": too many merges");
    merges.emplace_back(line);
  }
  return merges;
}

AddedToken parse_added_token(const JsonValue& object, std::uint64_t id, std::string_view where) {
  const JsonValue* content = object.find("content");
  if (content == nullptr || !content->is_string()) {
    throw Error(ErrorKind::input_invalid,
                std::string(where) + ": added token " + std::to_string(id) + " has no text ('content')");
  }
  const auto flag = [&](std::string_view key) {
    const JsonValue* value = object.find(key);
    return value ? value->as_bool() : std::nullopt;
  };
  AddedToken token;
  token.id = id;
  token.content = *content->as_string();
  token.special = flag("special").value_or(false);
  token.normalized = flag("normalized").value_or(!token.special);
  return token;
}

}  // namespace qtz
