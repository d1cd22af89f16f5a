// Modules quantized by GPTQ while the model runs: the inputs of each are what the quantized ones before it
// give.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qtz/forward/activation_observer.h"
#include "qtz/kernels/backend.h"
#include "qtz/methods/hessian.h"
#include "qtz/methods/integer_matrix.h"
#include "qtz/pipeline/folder_plan.h"
#include "replaceable_weight.h"

namespace qtz {

/// By module name.
using ReplaceableWeights = std::map<std::string, std::shared_ptr<ReplaceableWeight>>;

struct GptqSettings {
  FactorSettings factor;
  unsigned sweeps = 4;              ///< of refining after the loop
  std::uint64_t least_tokens = 32;  ///< fewer are no statistics: such a module is rounded to the nearest
};

class GptqModules final : public ActivationObserver {
 public:
  /// Told of each module that is done.
  using Done = std::function<void(std::size_t module, const IntegerMatrix& matrix)>;

  GptqModules(const FolderPlan& plan, ReplaceableWeights weights, const GptqSettings& settings,
              const Backend& backend, Done done);

  /// Until quantize_collected() inputs are only summed. Else a module is quantized when its inputs come,
  /// which must then be all of them.
  void start_collecting() noexcept { collecting_ = true; }
  void quantize_collected(unsigned threads, const CancelToken& cancel);

  bool add(const std::string& tensor, const InputRows& rows, std::uint64_t expert, std::uint64_t experts,
           unsigned threads, const CancelToken& cancel) override;
  void add_squares(const std::string&, const std::vector<double>&, std::uint64_t) override {}

  /// No layer so far is run again: weights of quantized modules are let go.
  void release();
  /// Modules that nothing went into, or too little.
  void round_the_rest(unsigned threads, const CancelToken& cancel);

  /// What a person should know: "module: why".
  const std::vector<std::string>& remarks() const noexcept { return remarks_; }

 private:
  using Input = std::pair<std::string, std::uint64_t>;  ///< tensor and expert

  /// The rows that were seen last, which often go into several matrices.
  struct Seen {
    const float* data;
    std::uint64_t rows;
    std::uint64_t cols;
    std::uint64_t fingerprint;
    std::shared_ptr<Hessian> hessian;
    bool operator==(const Seen&) const = default;
  };
  struct Factored {
    std::shared_ptr<const Hessian> hessian;
    std::uint64_t group_size;
    std::optional<HessianFactor> factor;
  };

  const std::optional<HessianFactor>& factor_of(const std::shared_ptr<const Hessian>& hessian,
                                                std::uint64_t group_size, unsigned threads,
                                                const CancelToken& cancel);
  bool quantize_modules(const Input& input, const std::shared_ptr<const Hessian>& hessian, unsigned threads,
                        const CancelToken& cancel);
  void quantize(std::size_t index, const InputKnowledge& inputs, unsigned threads, const CancelToken& cancel);
  void remark_on(std::size_t index, const HessianFactor& factor);

  const FolderPlan& plan_;
  ReplaceableWeights weights_;
  GptqSettings settings_;
  const Backend& backend_;
  Done done_;
  std::map<Input, std::vector<std::size_t>> by_input_;
  std::vector<bool> finished_;
  bool collecting_ = false;
  std::map<Input, std::shared_ptr<Hessian>> collected_;
  std::optional<Seen> last_;
  std::optional<Factored> factored_;
  std::vector<std::string> remarks_;
};

}  // namespace qtz
