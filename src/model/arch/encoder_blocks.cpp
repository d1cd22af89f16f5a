#include <algorithm>
#include <charconv>
#include <utility>

#include "model/arch/encoder_family.h"
#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

/// The labels of id2label by number; empty when it has none, or the two that transformers makes up.
std::vector<std::string> labels_of(const ModelConfig& config) {
  const auto field = config.find("id2label");
  const JsonObject* object = field ? field->value->as_object() : nullptr;
  if (object == nullptr) return {};
  std::vector<std::pair<std::uint64_t, std::string>> numbered;
  for (const auto& [id, label] : *object) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
    const bool is_number = error == std::errc{} && end == id.data() + id.size();
    if (!is_number || label.as_string() == nullptr)
      config.refuse("id2label", "is not an object of numbers and texts");
    numbered.emplace_back(number, *label.as_string());
  }
  std::sort(numbered.begin(), numbered.end());
  if (numbered.size() == 2 && numbered.front().second == "LABEL_0") return {};
  std::vector<std::string> labels;
  for (auto& [number, label] : numbered) labels.push_back(std::move(label));
  return labels;
}

std::uint64_t rows_before_positions(const ModelConfig& config) {
  const auto padding = config.uint("pad_token_id");
  return padding ? *padding + 1 : 0;
}

}  // namespace

std::vector<KeyRule> encoder_keys() {
  return joined<KeyRule>({
      standard_keys(),
      {
          computed_keys([](ArchBuild& build) { build.set("attention.causal", false); }),
          pooling_key(),
          computed_keys([](ArchBuild& build) {
            std::vector<std::string> labels = labels_of(build.config);
            if (!labels.empty()) build.set("classifier.output_labels", std::move(labels));
          }),
      },
  });
}

std::vector<TensorRule> bert_embeddings() {
  return {
      {"bert.embeddings.word_embeddings.weight", "token_embd.weight"},
      {"bert.embeddings.token_type_embeddings.weight", "token_types.weight", nullptr, "?"},
      {"bert.embeddings.position_embeddings.weight", "position_embd.weight"},
      {"bert.embeddings.LayerNorm.{W}", "token_embd_norm.{W}"},
  };
}

void add_classifier(ArchSpec& spec, const ModelConfig& config) {
  const bool labelled = !labels_of(config).empty();
  spec.tensors.push_back({"classifier.{W}", labelled ? "cls.output.{W}" : "cls.{W}", nullptr, "?"});
  spec.tensors.push_back({"classifier.dense.{W}", "cls.{W}", nullptr, "?"});
  spec.tensors.push_back({"classifier.out_proj.{W}", "cls.output.{W}", nullptr, "?"});
}

std::vector<PartRule> encoder_parts() {
  return {
      {"cls.*", [](const ModelConfig& config,
                   std::uint64_t) { return config.class_name().ends_with("ForSequenceClassification"); }},
      {"token_types.weight", [](const ModelConfig& config,
                                std::uint64_t) { return config.uint("type_vocab_size").value_or(0) > 0; }},
  };
}

std::string with_norm_names(std::string name, const ModelConfig&) {
  constexpr std::string_view kGamma = ".gamma";
  constexpr std::string_view kBeta = ".beta";
  if (name.ends_with(kGamma)) return name.replace(name.size() - kGamma.size(), kGamma.size(), ".weight");
  if (name.ends_with(kBeta)) return name.replace(name.size() - kBeta.size(), kBeta.size(), ".bias");
  return name;
}

std::vector<SkipRule> training_parts() {
  constexpr std::string_view kPooler = "the layer behind the first token, which llama.cpp does not use";
  constexpr std::string_view kHead = "predicts words in training; this GGUF holds the encoder";
  return {
      {"*embeddings.position_ids", "numbers from 0 on"},
      {"*pooler.dense.weight", kPooler},
      {"*pooler.dense.bias", kPooler},
      {"cls.predictions.*", kHead},
      {"cls.seq_relationship.*", kHead},
      {"lm_head.*", kHead},
  };
}

void settle_token_types(ArchBuild& build) {
  const TensorExprPtr types = build.find_tensor("token_types.weight");
  if (types == nullptr || build.config.stored().find("type_vocab_size") != nullptr) return;
  const std::uint64_t rows = types->shape().rows();
  build.keys.set("tokenizer.ggml.token_type_count", static_cast<std::uint32_t>(rows));
}

TensorExprPtr positions_behind_padding(TensorExprPtr input, const ArchBuild& build) {
  const std::uint64_t before = rows_before_positions(build.config);
  const std::uint64_t rows = input->shape().rank() == 2 ? input->shape()[0] : 0;
  if (before >= rows) {
    throw Error(ErrorKind::input_invalid,
                build.config.where() + ": 'pad_token_id' is " + std::to_string(before - 1) + ", but " +
                    describe(*input) + " has positions behind it only from " + std::to_string(before) + " on",
                "check that config.json belongs to these weights");
  }
  return sliced(std::move(input), 0, before, rows - before);
}

void shorten_context(ModelConfig& config) {
  const std::uint64_t before = rows_before_positions(config);
  const std::uint64_t positions = config.need_uint("max_position_embeddings");
  if (before >= positions) {
    config.refuse("max_position_embeddings",
                  "is " + std::to_string(positions) + ", which leaves no position behind pad_token_id");
  }
  config.set("max_position_embeddings", positions - before);
}

}  // namespace qtz::arch
