#include "support/arch_checkpoint.h"

#include <algorithm>
#include <fstream>

#include "qtz/core/error.h"
#include "qtz/core/half.h"
#include "qtz/core/json.h"

namespace qtz::test {

namespace fs = std::filesystem;

namespace {

struct Draw {
  std::uint64_t bits;
  double deviate;
};

class Draws {
 public:
  explicit Draws(std::string_view name) {
    for (const char c : name) seed_ = (seed_ ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  Draw at(std::uint64_t i) const {
    std::uint64_t z = seed_ + (i + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    std::int64_t sum = 0;
    for (unsigned quarter = 0; quarter < 4; ++quarter) {
      sum += static_cast<std::int64_t>(z >> (16 * quarter) & 0xFFFF);
    }
    return {z, static_cast<double>(sum - 131070) / 65536.0};
  }

 private:
  std::uint64_t seed_ = 0xCBF29CE484222325;
};

template <typename T>
void append_value(std::string& data, T value) {
  data.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// The formulas of tests/data/arch/make_checkpoint.py.
void append_values(std::string& data, std::string_view name, std::uint64_t count, double mean, double scale,
                   std::string_view type) {
  const Draws draws(name);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Draw draw = draws.at(i);
    const auto number = static_cast<float>(mean + scale * draw.deviate);
    if (type == "BF16") {
      append_value(data, f32_to_bf16(number));
    } else if (type == "F32") {
      append_value(data, number);
    } else if (type == "I64") {
      append_value(data, static_cast<std::int64_t>(draw.bits % static_cast<std::uint64_t>(scale)));
    } else if (type == "F8_E8M0" || (type == "U8" && name.ends_with("_scale"))) {
      append_value(data, static_cast<std::uint8_t>(118 + draw.bits % 6));
    } else if (type == "F8_E4M3" && name.ends_with("_scale")) {
      append_value(data, static_cast<std::uint8_t>(48 + draw.bits % 32));
    } else {
      auto code = static_cast<std::uint8_t>(draw.bits & 0xFF);
      if (type == "F8_E4M3" && (code & 0x7F) == 0x7F) code &= 0xFE;
      append_value(data, code);
    }
  }
}

}  // namespace

std::vector<std::uint16_t> checkpoint_values(std::string_view name, std::uint64_t count, double mean,
                                             double scale) {
  const Draws draws(name);
  std::vector<std::uint16_t> codes(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    codes[i] = f32_to_bf16(static_cast<float>(mean + scale * draws.at(i).deviate));
  }
  return codes;
}

namespace {

void write_weights(const fs::path& description, const fs::path& target) {
  const JsonValue tensors = parse_json_file(description, JsonLimits{});
  JsonValue header = JsonObject{{"__metadata__", JsonObject{{"format", "pt"}}}};
  std::string data;
  for (const JsonValue& tensor : *tensors.as_array()) {
    const std::string& name = *tensor.find("name")->as_string();
    std::uint64_t count = 1;
    for (const JsonValue& dim : *tensor.find("shape")->as_array()) count *= *dim.as_uint();
    const JsonValue* given = tensor.find("dtype");
    const std::string type = given == nullptr ? "BF16" : *given->as_string();
    const std::uint64_t begin = data.size();
    append_values(data, name, count, *tensor.find("mean")->as_double(), *tensor.find("scale")->as_double(),
                  type);
    header.set(name, JsonObject{{"dtype", type},
                                {"shape", *tensor.find("shape")},
                                {"data_offsets", JsonArray{begin, std::uint64_t{data.size()}}}});
  }
  std::string text = to_json(header, -1);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();
  std::ofstream out(target, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof length);
  out << text << data;
  out.close();
  QTZ_CHECK(out.good());
}

}  // namespace

fs::path arch_data_folder() {
  return fs::path(QTZ_TESTS_DIR) / "data" / "arch";
}

std::vector<std::string> arch_data_names(std::string_view file) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(arch_data_folder())) {
    if (fs::exists(entry.path() / file)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

fs::path write_checkpoint(const fs::path& reference, const fs::path& parent) {
  const fs::path folder = parent / reference.filename();
  fs::create_directories(folder);
  for (const char* file :
       {"config.json", "params.json", "generation_config.json", "modules.json", "1_Pooling"}) {
    if (fs::exists(reference / file)) fs::copy(reference / file, folder / file);
  }
  const JsonValue facts = parse_json_file(reference / "logits.json", JsonLimits{});
  const fs::path tokenizer = reference.parent_path() / "tokenizers" / *facts.find("tokenizer")->as_string();
  for (const fs::directory_entry& entry : fs::directory_iterator(tokenizer)) {
    if (entry.path().filename() != "PRE") fs::copy(entry.path(), folder);
  }
  write_weights(reference / "tensors.json", folder / "model.safetensors");
  return folder;
}

}  // namespace qtz::test
