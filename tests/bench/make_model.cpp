// qtz_make_model: writes a large model of random weights in the shape of a Llama, as a GGUF or as a hub
// folder, streaming, for measurements. Same arguments, same bytes.
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "qtz/core/bytes.h"
#include "qtz/core/error.h"
#include "qtz/core/half.h"
#include "qtz/core/json.h"
#include "qtz/core/output_file.h"
#include "qtz/formats/gguf.h"

namespace {

using namespace qtz;
namespace fs = std::filesystem;

struct Size {
  std::string_view name;
  std::uint32_t hidden, ffn, layers, heads, kv_heads, vocabulary;
  bool tied;
};
constexpr std::array kSizes = {
    Size{"20m", 256, 768, 8, 4, 2, 32000, false},
    Size{"0.5b", 1536, 4096, 16, 24, 8, 32000, false},
    Size{"1b", 2048, 5632, 22, 32, 4, 32000, false},
    Size{"3b", 3072, 8192, 26, 24, 8, 32000, false},
    Size{"8b", 4096, 14336, 32, 32, 8, 128256, false},
    Size{"big-vocab", 1024, 2816, 8, 16, 4, 256000, true},  // one tensor is most of the model
};

struct Weight {
  std::string gguf_name;
  std::string hub_name;
  Shape shape;
  bool is_norm() const { return shape.rank() == 1; }
};

/// Measurements are repeated: an old file is no reason to stop.
const OutputOptions kReplace{.overwrite = true, .protect = {}};

std::vector<Weight> weights_of(const Size& size) {
  const std::uint64_t head = size.hidden / size.heads;
  std::vector<Weight> all;
  if (!size.tied) all.push_back({"output.weight", "lm_head.weight", {size.vocabulary, size.hidden}});
  all.push_back({"output_norm.weight", "model.norm.weight", {size.hidden}});
  all.push_back({"token_embd.weight", "model.embed_tokens.weight", {size.vocabulary, size.hidden}});
  for (std::uint32_t layer = 0; layer < size.layers; ++layer) {
    const auto add = [&](const char* gguf, const char* hub, Shape shape) {
      all.push_back({"blk." + std::to_string(layer) + "." + gguf + ".weight",
                     "model.layers." + std::to_string(layer) + "." + hub + ".weight", std::move(shape)});
    };
    add("attn_k", "self_attn.k_proj", {size.kv_heads * head, size.hidden});
    add("attn_norm", "input_layernorm", {size.hidden});
    add("attn_output", "self_attn.o_proj", {size.hidden, size.hidden});
    add("attn_q", "self_attn.q_proj", {size.hidden, size.hidden});
    add("attn_v", "self_attn.v_proj", {size.kv_heads * head, size.hidden});
    add("ffn_down", "mlp.down_proj", {size.hidden, size.ffn});
    add("ffn_gate", "mlp.gate_proj", {size.ffn, size.hidden});
    add("ffn_norm", "post_attention_layernorm", {size.hidden});
    add("ffn_up", "mlp.up_proj", {size.ffn, size.hidden});
  }
  return all;
}

/// About normal, standard deviation 0.02: four uniform numbers added, from splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  float next() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    const auto sum =
        static_cast<std::int32_t>((z & 0xFFFF) + (z >> 16 & 0xFFFF) + (z >> 32 & 0xFFFF) + (z >> 48));
    return static_cast<float>(sum - 2 * 65535) * (0.02f / 37837.0f);
  }

 private:
  std::uint64_t state_;
};

void write_weight(OutputFile& file, std::uint64_t offset, const Weight& weight, DType type,
                  std::uint64_t seed) {
  constexpr std::uint64_t kPiece = 1 << 19;
  Random random(seed);
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; at < weight.shape.elements(); at += kPiece) {
    const std::uint64_t count = std::min(kPiece, weight.shape.elements() - at);
    bytes.resize(row_bytes(type, count));
    for (std::uint64_t i = 0; i < count; ++i) {
      const float value = weight.is_norm() ? 1.0f + random.next() : random.next();
      if (type == DType::f32) store_le(bytes.data() + 4 * i, value);
      if (type == DType::f16) store_le(bytes.data() + 2 * i, f32_to_f16(value));
      if (type == DType::bf16) store_le(bytes.data() + 2 * i, f32_to_bf16(value));
    }
    file.write(offset + row_bytes(type, at), bytes);
  }
}

void write_gguf(const fs::path& path, const Size& size, DType type) {
  KvList keys;
  keys.set("general.architecture", "llama");
  keys.set("general.name", "Random " + std::string(size.name));
  keys.set("general.file_type", type == DType::f16 ? 1u : 32u);
  keys.set("llama.block_count", size.layers);
  keys.set("llama.context_length", 2048u);
  keys.set("llama.embedding_length", size.hidden);
  keys.set("llama.feed_forward_length", size.ffn);
  keys.set("llama.attention.head_count", size.heads);
  keys.set("llama.attention.head_count_kv", size.kv_heads);
  keys.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  keys.set("llama.rope.dimension_count", size.hidden / size.heads);
  keys.set("llama.vocab_size", size.vocabulary);

  const std::vector<Weight> weights = weights_of(size);
  std::vector<GgufTensor> tensors;
  for (const Weight& weight : weights)
    tensors.push_back({weight.gguf_name, weight.is_norm() ? DType::f32 : type, weight.shape});
  const GgufLayout layout = make_gguf_layout(keys, tensors);
  OutputFile file(path, layout.file_bytes, kReplace);
  file.write(0, layout.header);
  for (std::size_t i = 0; i < weights.size(); ++i)
    write_weight(file, layout.offsets[i], weights[i], tensors[i].dtype, i + 1);
  file.commit();
}

void write_text(const fs::path& path, const std::string& text) {
  OutputFile file(path, text.size(), kReplace);
  file.write(0, std::as_bytes(std::span(text)));
  file.commit();
}

JsonValue config_of(const Size& size, DType type) {
  JsonValue config;
  config.set("architectures", JsonArray{"LlamaForCausalLM"});
  config.set("model_type", "llama");
  config.set("hidden_size", size.hidden);
  config.set("intermediate_size", size.ffn);
  config.set("num_hidden_layers", size.layers);
  config.set("num_attention_heads", size.heads);
  config.set("num_key_value_heads", size.kv_heads);
  config.set("head_dim", size.hidden / size.heads);
  config.set("vocab_size", size.vocabulary);
  config.set("max_position_embeddings", 2048);
  config.set("rms_norm_eps", 1e-5);
  config.set("rope_theta", 10000.0);
  config.set("tie_word_embeddings", size.tied);
  config.set("torch_dtype", type == DType::f16 ? "float16" : "bfloat16");
  return config;
}

/// A folder as on a hub. The tokenizer is another model's: its files are copied.
void write_folder(const fs::path& folder, const Size& size, DType type, const fs::path& tokenizer) {
  fs::create_directories(folder);
  write_text(folder / "config.json", to_json(config_of(size, type)));
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "tokenizer.model"}) {
    if (fs::exists(tokenizer / name))
      fs::copy_file(tokenizer / name, folder / name, fs::copy_options::overwrite_existing);
  }

  const std::vector<Weight> weights = weights_of(size);
  std::vector<std::uint64_t> offsets;
  JsonValue header;
  std::uint64_t at = 0;
  for (const Weight& weight : weights) {
    const std::uint64_t end = at + row_bytes(type, weight.shape.elements());
    JsonArray shape;
    for (const std::uint64_t dim : weight.shape.dims()) shape.emplace_back(dim);
    JsonValue tensor;
    tensor.set("dtype", name_of(type));
    tensor.set("shape", std::move(shape));
    tensor.set("data_offsets", JsonArray{at, end});
    header.set(weight.hub_name, std::move(tensor));
    offsets.push_back(at);
    at = end;
  }
  std::string text = to_json(header, -1);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  ByteWriter start;
  start.put(static_cast<std::uint64_t>(text.size()));
  start.put(std::string_view(text));
  OutputFile file(folder / "model.safetensors", start.size() + at, kReplace);
  file.write(0, start.bytes());
  for (std::size_t i = 0; i < weights.size(); ++i)
    write_weight(file, start.size() + offsets[i], weights[i], type, i + 1);
  file.commit();
}

int usage() {
  std::fprintf(stderr,
               "usage: qtz_make_model SIZE TYPE OUT.gguf\n"
               "       qtz_make_model SIZE TYPE OUT_FOLDER TOKENIZER_FOLDER\n"
               "TYPE is F16 or BF16; SIZE is one of:");
  for (const Size& size : kSizes) std::fprintf(stderr, " %s", std::string(size.name).c_str());
  std::fprintf(stderr, "\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) return usage();
  const auto size =
      std::find_if(kSizes.begin(), kSizes.end(), [&](const Size& each) { return each.name == words[0]; });
  const auto type = find_dtype(words[1]);
  if (size == kSizes.end() || (type != DType::f16 && type != DType::bf16)) return usage();
  const fs::path out = words[2];
  if ((out.extension() == ".gguf") == (words.size() > 3)) return usage();
  try {
    if (words.size() == 3) {
      write_gguf(out, *size, *type);
    } else {
      write_folder(out, *size, *type, words[3]);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
