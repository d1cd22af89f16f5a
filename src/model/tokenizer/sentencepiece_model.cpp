#include "model/tokenizer/sentencepiece_model.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "model/tokenizer/protobuf_wire.h"
#include "model/tokenizer/tokenizer_json.h"
#include "model/tokenizer/utf8.h"
#include "qtz/core/error.h"
#include "qtz/core/input_file.h"
#include "qtz/formats/foreign_file.h"

namespace qtz {
namespace {

constexpr std::uint64_t kMaxModelBytes = 64u << 20;
constexpr std::size_t kMaxPieceBytes = 1u << 20;
constexpr std::uint64_t kFirstBytes = 1024;
constexpr const char* kFetchAgain =
    "fetch the file again ('git lfs pull' in a git clone), or remove it to use the folder's tokenizer.json";

using Kind = WireField::Kind;
using Piece = SentencePieceModel::Piece;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::input_invalid, what);
}

void expect(const WireField& field, Kind kind, const WireReader& reader) {
  if (field.kind != kind) {
    refuse("not a SentencePiece model: field " + std::to_string(field.number) +
           " has another type than it should at byte " + std::to_string(reader.offset()));
  }
}

Piece read_piece(std::string_view message, std::uint64_t base, std::size_t id) {
  Piece piece;
  const std::string name = "piece " + std::to_string(id);
  WireReader reader(message, base);
  while (const auto field = reader.next()) {
    if (field->number == 1) {
      expect(*field, Kind::bytes, reader);
      if (field->bytes.size() > kMaxPieceBytes)
        refuse(name + " has " + std::to_string(field->bytes.size()) + " bytes");
      if (!is_utf8(field->bytes)) refuse(name + " is not UTF-8: '" + printable(field->bytes) + "'");
      piece.text = field->bytes;
    } else if (field->number == 2) {
      expect(*field, Kind::fixed32, reader);
      piece.score = field->as_float();
      if (!std::isfinite(piece.score)) refuse(name + " has a score that is not a number");
    } else if (field->number == 3) {
      expect(*field, Kind::varint, reader);
      if (field->value < 1 || field->value > 6)
        refuse(name + " has the unknown type " + std::to_string(field->value));
      piece.type = static_cast<SentencePieceModel::PieceType>(field->value);
    }
  }
  return piece;
}

void read_trainer(std::string_view message, std::uint64_t base, SentencePieceModel& model) {
  WireReader reader(message, base);
  while (const auto field = reader.next()) {
    if (field->number == 3) {
      expect(*field, Kind::varint, reader);
      if (field->value < 1 || field->value > 4)
        refuse("unknown SentencePiece algorithm " + std::to_string(field->value));
      model.algorithm = static_cast<SentencePieceModel::Algorithm>(field->value);
    } else if (field->number == 35) {
      expect(*field, Kind::varint, reader);
      model.byte_fallback = field->as_bool();
    }
  }
}

void read_normalizer(std::string_view message, std::uint64_t base, SentencePieceModel& model) {
  WireReader reader(message, base);
  while (const auto field = reader.next()) {
    if (field->number == 2) {
      expect(*field, Kind::bytes, reader);
      model.precompiled_charsmap = field->bytes;
    } else if (field->number == 3) {
      expect(*field, Kind::varint, reader);
      model.add_dummy_prefix = field->as_bool();
    } else if (field->number == 4) {
      expect(*field, Kind::varint, reader);
      model.remove_extra_whitespaces = field->as_bool();
    }
  }
}

SentencePieceModel parse_model(std::string_view data) {
  SentencePieceModel model;
  WireReader reader(data);
  while (const auto field = reader.next()) {
    if (field->number < 1 || field->number > 3) continue;
    expect(*field, Kind::bytes, reader);
    const auto base = static_cast<std::uint64_t>(field->bytes.data() - data.data());
    if (field->number == 1) {
      if (model.pieces.size() >= kMaxVocabulary)
        refuse("more than " + std::to_string(kMaxVocabulary) + " pieces");
      model.pieces.push_back(read_piece(field->bytes, base, model.pieces.size()));
    } else if (field->number == 2) {
      read_trainer(field->bytes, base, model);
    } else {
      read_normalizer(field->bytes, base, model);
    }
  }
  if (model.pieces.empty()) refuse("not a SentencePiece model: it has no pieces");
  return model;
}

/// Does `text` begin with a line of a tiktoken vocabulary: a base64 text, a space, a number?
bool is_base64_list(std::string_view text) {
  const auto take = [&](std::string_view allowed) {
    const auto count = std::min(text.find_first_not_of(allowed), text.size());
    text.remove_prefix(count);
    return count > 0;
  };
  return take("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") && text.starts_with(' ') &&
         take(" ") && take("0123456789") && (text.empty() || take("\r\n"));
}

}  // namespace

SentencePieceModel read_sentencepiece_model(const std::filesystem::path& path) {
  const std::string data = read_text_file(path, kMaxModelBytes);
  try {
    return parse_model(data);
  } catch (Error& error) {
    error.add_context(printable(path.native()));
    throw;
  }
}

bool looks_like_sentencepiece(const std::filesystem::path& path) {
  const InputFile file(path);
  std::string first(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), kFirstBytes)), '\0');
  file.read(0, std::as_writable_bytes(std::span(first)));
  // A list of base64 texts begins with a letter or digit; every field a model can begin with has a smaller
  // tag.
  if (first.empty() || static_cast<unsigned char>(first[0]) < '+') return true;
  if (is_base64_list(first)) return false;
  const std::string shown = printable(path.native());
  if (const auto foreign = recognize_foreign(file, FileFormat::other)) {
    throw Error(ErrorKind::input_invalid, shown + " " + foreign->what, kFetchAgain);
  }
  throw Error(ErrorKind::input_invalid, shown + ": neither a SentencePiece model nor a list of base64 texts",
              kFetchAgain);
}

}  // namespace qtz
