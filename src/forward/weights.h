// A model's tensors by name, as f32 matrices, read when they are asked for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qtz/core/progress.h"
#include "qtz/kernels/backend.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

/// Row-major; a vector is one row.
struct Matrix {
  std::uint64_t rows = 0;
  std::uint64_t cols = 0;
  std::vector<float> values;

  bool empty() const noexcept { return values.empty(); }
  const float* row(std::uint64_t r) const noexcept { return values.data() + r * cols; }
  float* row(std::uint64_t r) noexcept { return values.data() + r * cols; }
};

class Weights {
 public:
  Weights(const GgufModel& model, const Backend& backend, unsigned threads, const CancelToken& cancel);

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  /// Outermost first. Throws input_invalid when there is no such tensor.
  const Shape& shape(const std::string& name) const { return find(name).expr->shape(); }

  const std::unordered_map<std::string, const ModelTensor*>& tensors() const noexcept { return tensors_; }
  void set_threads(unsigned threads) noexcept { threads_ = threads; }

  // Weights that have scales beside them, "attn_q.scale" of "attn_q.weight", one or one for each expert, are
  // read multiplied by them.

  /// The whole tensor, every dimension but the last in `rows`.
  Matrix read(const std::string& name) const;
  /// Some rows of it, on all threads or on the caller's.
  Matrix read_rows(const std::string& name, std::uint64_t first, std::uint64_t count) const {
    return read_rows(name, first, count, threads_);
  }
  Matrix read_rows_alone(const std::string& name, std::uint64_t first, std::uint64_t count) const {
    return read_rows(name, first, count, 1);
  }
  /// A vector as it is; empty when there is no such tensor. Throws input_invalid for another length.
  std::vector<float> vector_if(const std::string& name, std::uint64_t length) const;

 private:
  const ModelTensor& find(const std::string& name) const;
  std::vector<float> scales_of(const std::string& name) const;
  Matrix read_rows(const std::string& name, std::uint64_t first, std::uint64_t count, unsigned threads) const;

  std::unordered_map<std::string, const ModelTensor*> tensors_;
  const Backend& backend_;
  unsigned threads_;
  const CancelToken& cancel_;
};

/// The tensors of one layer, each read once and kept while the layer runs over piece after piece of a batch.
/// For one thread.
class LayerWeights {
 public:
  /// `limit`: matrices that are given back are kept while no more bytes are kept.
  LayerWeights(const Weights& all, std::uint64_t limit) : all_(all), limit_(limit) {}

  const Weights& all() const noexcept { return all_; }
  bool has(const std::string& name) const { return all_.has(name); }
  const Shape& shape(const std::string& name) const { return all_.shape(name); }

  /// As Weights gives them; an empty matrix or vector where there is no such tensor and none is needed.
  const Matrix& read(const std::string& name) { return read_rows(name, 0, shape(name).rows()); }
  const Matrix& read_if(const std::string& name);
  const Matrix& read_rows(const std::string& name, std::uint64_t first, std::uint64_t count);
  const std::vector<float>& vector_if(const std::string& name, std::uint64_t length);

  /// What is kept of the tensor, in its place.
  void read_anew(const std::string& name);

  /// The caller is done with these rows, as it read them: they go where more than the limit is kept.
  void give_back(const std::string& name, std::uint64_t first);

 private:
  const Weights& all_;
  std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  /// By name and first row; references stay good until their rows are given back.
  std::map<std::pair<std::string, std::uint64_t>, Matrix> kept_;
};

}  // namespace qtz
