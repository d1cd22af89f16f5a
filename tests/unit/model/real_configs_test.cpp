// Configurations of published models: every class that is known gives all its keys, every other is refused by
// name.
#include <gtest/gtest.h>

#include "model/config_file.h"
#include "model/key_rules.h"
#include "model/quantized/checkpoint_tensors.h"
#include "qtz/core/error.h"
#include "qtz/core/json.h"
#include "qtz/model/arch_spec.h"

namespace qtz {
namespace {

namespace fs = std::filesystem;

class NoTensors final : public TensorSource {
 public:
  std::span<const TensorInfo> tensors() const override { return {}; }
  std::span<const InputFile> files() const override { return {}; }
};

KvList keys_of(const fs::path& path) {
  std::vector<std::string> warnings;
  ModelConfig config(read_config_file(path, warnings), path.filename().native());
  ArchSpec spec = find_architecture(config.class_name(), config.where());
  const NoTensors source;
  config.apply_defaults(spec.defaults);
  if (spec.adapt != nullptr) spec.adapt(spec, config, source);
  if (!config.has("vocab_size")) config.set("vocab_size", 32000);
  if (spec.prepare != nullptr) spec.prepare(config);
  config.check_plausible();
  KvList keys;
  const fs::path folder = path.parent_path();
  const CheckpointTensors tensors(source);
  ArchBuild build{config, tensors, folder, spec.gguf_name, keys};
  apply_key_rules(build, spec.keys);
  EXPECT_TRUE(build.warnings.empty()) << path << ": " << build.warnings.front();
  for (const char* needed : {"block_count", "context_length", "embedding_length"}) {
    EXPECT_NE(keys.find(std::string(spec.gguf_name) + "." + needed), nullptr) << path << " " << needed;
  }
  return keys;
}

TEST(RealConfigurations, give_all_keys_or_name_the_class_that_is_unknown) {
  const fs::path folder = fs::path(QTZ_SHARED_DIR) / "data" / "configs";
  if (!fs::exists(folder)) GTEST_SKIP() << "needs " << folder;
  std::size_t known = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!entry.path().native().ends_with("_config.json") ||
        entry.path().native().ends_with("_hf_quant_config.json")) {
      continue;
    }
    SCOPED_TRACE(entry.path().filename());
    try {
      keys_of(entry.path());
      ++known;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input_invalid);
      EXPECT_NE(error.message().find("unknown architecture"), std::string::npos) << error.message();
    }
  }
  EXPECT_GE(known, 81U);
}

}  // namespace
}  // namespace qtz
