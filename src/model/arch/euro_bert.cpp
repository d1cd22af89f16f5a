// EuroBERT: an encoder built as Llama is, without the causal mask.
#include "model/arch/architectures.h"
#include "model/arch/encoder_family.h"

namespace qtz::arch {

ArchSpec euro_bert() {
  ArchSpec spec;
  spec.classes = {"EuroBertModel", "JinaEmbeddingsV5Model"};
  spec.gguf_name = "eurobert";
  spec.tokenizer = bpe_tokenizer();
  spec.tokenizer.keys_first.set("tokenizer.ggml.add_bos_token", false);
  spec.defaults = R"({"max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 250000.0})";
  spec.keys = joined<KeyRule>({
      standard_keys(),
      {
          computed_keys([](ArchBuild& build) {
            build.set("attention.causal", false);
            build.set("rope.scaling.type", "none");
          }),
          pooling_key(),
      },
  });
  spec.tensors = joined<TensorRule>({
      {
          {"model.embed_tokens.weight", "token_embd.weight"},
          {"model.norm.weight", "output_norm.weight"},
      },
      attention(),
      mlp_norm(),
      gated_mlp(),
  });
  spec.skips = training_parts();
  return spec;
}

}  // namespace qtz::arch
