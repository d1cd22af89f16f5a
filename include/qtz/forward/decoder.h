// The forward pass of a decoder: tokens to logits, one layer at a time, so that memory is one layer's weights
// in f32 plus the activations. Which variants of attention, norms, MLP and experts a model has comes from
// src/forward/graphs.def, its keys and its tensors. A hub folder, a GGUF of any type, and every format that
// open_model reads are run the same way.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/forward/activation_observer.h"
#include "qtz/forward/states.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

/// Texts that do not see each other, one after another: what a run works on.
struct Batch {
  std::vector<std::uint32_t> tokens;
  std::vector<std::uint64_t> starts;  ///< index of each text's first token; the first is 0

  std::uint64_t size() const noexcept { return tokens.size(); }
  std::uint64_t texts() const noexcept { return starts.size(); }
  std::uint64_t end_of(std::uint64_t text) const noexcept {
    return text + 1 < starts.size() ? starts[text + 1] : tokens.size();
  }
};

constexpr std::uint64_t kDefaultBatch = 2048;

struct DecoderOptions {
  unsigned threads = 0;  ///< 0: all cores
  /// Tokens that are run at a time: as many whole texts as have no more, and at least one.
  std::uint64_t batch = kDefaultBatch;
};

/// Bytes of memory beside the states.
struct DecoderMemory {
  std::uint64_t layer;   ///< the largest layer's weights, with one expert
  std::uint64_t piece;   ///< texts that are run at a time, beside their states
  std::uint64_t output;  ///< parts of the output's weights that are there at a time
};

/// Immutable but for what a layer needs while it runs. The model, the backend and the token must outlive it.
class Decoder {
 public:
  /// Checks that the architecture is known and that the tensors are there. Throws input_invalid for what the
  /// forward pass cannot run, resource when there is no BLAS.
  Decoder(const GgufModel& model, const Backend& backend, const DecoderOptions& options,
          const CancelToken& cancel);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  std::uint64_t layers() const noexcept;
  std::uint64_t width() const noexcept;  ///< of the states
  std::uint64_t vocabulary() const noexcept;
  std::uint64_t context() const noexcept;  ///< that the model was trained with; 0: not known

  /// At the most, with `threads` threads.
  DecoderMemory memory(const Batch& batch, unsigned threads) const;

  /// Matrices that are done with, of experts and of the output, are kept for the next texts while no more
  /// than `bytes` are kept. At first there is no limit.
  void limit_kept(std::uint64_t bytes) noexcept;
  void set_threads(unsigned threads) noexcept;

  /// States before the first layer, [batch.size(), width()]. Throws input_invalid for a token beyond the
  /// vocabulary.
  States embed(const Batch& batch, StatePlace place) const;

  /// States after layer `layer`, in place. Reads the layer's weights.
  /// `observer` is told what goes into each of the layer's matrices.
  void run_layer(std::uint64_t layer, const Batch& batch, States& states,
                 ActivationObserver* observer = nullptr) const;
  /// The same without changing the states: the observer learns what goes into the layer's matrices.
  void observe_layer(std::uint64_t layer, const Batch& batch, const States& states,
                     ActivationObserver& observer) const;

  /// Logits of rows of the states after the last layer, [rows, vocabulary()].
  /// `observer` is told what goes into a matrix "output.weight"; a tied embedding is none.
  void logits(std::span<const float> states, std::vector<float>& out, ActivationObserver* observer = nullptr);

 private:
  struct Parts;
  void run_pieces(std::uint64_t layer, const Batch& batch, const States& from, States* to,
                  ActivationObserver* observer) const;

  std::unique_ptr<Parts> parts_;
};

/// The architectures that can be run, by their names in GGUF, sorted.
std::vector<std::string_view> runnable_architectures();

}  // namespace qtz
