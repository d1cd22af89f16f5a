#include "qtz/formats/foreign_file.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "qtz/core/error.h"

namespace qtz {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  const char* what;
  const char* hint;
};

constexpr const char* kUnpack = "unpack it first";
constexpr const char* kPickle =
    "qtz does not read pickle files, because loading one runs code; convert it to safetensors first";

constexpr std::array kSignatures = {
    Signature{"version https://git-lfs"sv, "is a Git LFS pointer, not the file itself",
              "fetch the real file with 'git lfs pull'"},
    Signature{"\x1f\x8b\x08"sv, "is compressed (gzip)", kUnpack},
    Signature{"\x28\xb5\x2f\xfd"sv, "is compressed (zstd)", kUnpack},
    Signature{"\xfd\x37zXZ"sv, "is compressed (xz)", kUnpack},
    Signature{"BZh"sv, "is compressed (bzip2)", kUnpack},
    Signature{"PK\x03\x04"sv, "is a ZIP archive, as PyTorch saves pickle checkpoints", kPickle},
    Signature{"\x80\x02\x8a"sv, "is a pickle file", kPickle},
    Signature{"\x80\x04\x95"sv, "is a pickle file", kPickle},
    Signature{"\x80\x05\x95"sv, "is a pickle file", kPickle},
    Signature{"\x89HDF"sv, "is an HDF5 file", "convert it to safetensors first"},
    Signature{"tjgg"sv, "is a GGJT file, older than GGUF", "convert the original model again"},
    Signature{"fmgg"sv, "is a GGMF file, older than GGUF", "convert the original model again"},
    Signature{"lmgg"sv, "is a GGML file, older than GGUF", "convert the original model again"},
    Signature{"FUGG"sv, "is a big-endian GGUF file",
              "qtz reads little-endian files; convert it with gguf-py"},
};

}  // namespace

std::optional<ForeignFile> recognize_foreign(const InputFile& file, FileFormat wanted) {
  std::string first(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 64)), '\0');
  file.read(0, std::as_writable_bytes(std::span(first)));
  std::string_view bytes = first;
  for (const Signature& signature : kSignatures) {
    if (bytes.starts_with(signature.bytes)) return ForeignFile{signature.what, signature.hint};
  }
  if (wanted != FileFormat::gguf && bytes.starts_with("GGUF")) {
    return ForeignFile{"is a GGUF file", "if that is what you meant to give, its name must end with .gguf"};
  }
  // A length below 2^32 and a brace: what a safetensors file begins with.
  if (wanted != FileFormat::safetensors && bytes.size() > 8 && bytes.substr(4, 5) == "\0\0\0\0{"sv) {
    const bool by_name = file.path().extension() == ".safetensors";
    return ForeignFile{"is a safetensors file",
                       by_name ? "a GGUF file is wanted here; 'qtz inspect' shows what this one holds"
                               : "if that is what you meant to give, its name must end with .safetensors"};
  }
  const auto text = bytes.find_first_not_of(" \t\r\n");
  if (text == std::string_view::npos) return std::nullopt;
  bytes.remove_prefix(text);
  if (bytes[0] == '<') {
    return ForeignFile{"is an HTML or XML page",
                       "the download failed (a login page or an error); fetch the file again"};
  }
  if (bytes[0] == '{') {
    return ForeignFile{"is a JSON text", "give the weights, their index or the model's folder"};
  }
  return std::nullopt;
}

void refuse_foreign(const InputFile& file, FileFormat wanted) {
  const auto foreign = recognize_foreign(file, wanted);
  if (foreign) throw WrongFile(printable(file.path().native()) + " " + foreign->what, foreign->hint);
}

void fail_as_foreign(const InputFile& file, FileFormat wanted, const std::string& problem,
                     const std::string& hint) {
  refuse_foreign(file, wanted);
  throw Error(ErrorKind::input_invalid, printable(file.path().native()) + ": " + problem, hint);
}

}  // namespace qtz
