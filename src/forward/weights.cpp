#include "forward/weights.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {

namespace {

/// Elements that are decoded at a time.
constexpr std::uint64_t kPiece = 1u << 18;

}  // namespace

Weights::Weights(const GgufModel& model, const Backend& backend, unsigned threads, const CancelToken& cancel)
    : backend_(backend), threads_(threads), cancel_(cancel) {
  for (const ModelTensor& tensor : model.tensors) {
    tensors_.emplace(tensor.name, &tensor);
    // In files of one architecture the name of this norm has no ending.
    if (tensor.name.ends_with(".ffn_norm")) tensors_.emplace(tensor.name + ".weight", &tensor);
  }
}

const ModelTensor& Weights::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw Error(ErrorKind::input_invalid,
                "the forward pass needs tensor '" + name + "', which the model does not have");
  }
  return *found->second;
}

std::vector<float> Weights::scales_of(const std::string& name) const {
  constexpr std::string_view kWeight = ".weight";
  if (!name.ends_with(kWeight)) return {};
  const std::string beside = name.substr(0, name.size() - kWeight.size()) + ".scale";
  if (!has(beside)) return {};
  const Shape& weights = shape(name);
  const Shape& scales = shape(beside);
  const std::uint64_t count = scales.rows() * scales.cols();
  // Others are not of the weight: a router's are of what it reads.
  if (count != 1 && (weights.rank() != 3 || count != weights[0])) return {};
  return read_rows(beside, 0, scales.rows(), 1).values;
}

Matrix Weights::read(const std::string& name) const {
  return read_rows(name, 0, shape(name).rows());
}

Matrix Weights::read_rows(const std::string& name, std::uint64_t first, std::uint64_t count,
                          unsigned threads) const {
  const TensorExpr& expr = *find(name).expr;
  const DType type = expr.dtype();
  if (!backend_.can_decode(type)) {
    throw Error(ErrorKind::input_invalid,
                "tensor '" + name + "' has type " + std::string(name_of(type)) + ", which cannot be decoded");
  }
  QTZ_CHECK(first + count <= expr.shape().rows());
  Matrix out{count, expr.shape().cols(), {}};
  out.values.resize(count * out.cols);
  if (out.values.empty()) return out;
  const std::uint64_t rows = std::max<std::uint64_t>(1, kPiece / out.cols);
  const std::vector<float> scales = scales_of(name);
  const std::uint64_t scaled =
      scales.empty() ? 0 : expr.shape().rows() / scales.size();  // rows with one scale
  parallel_for((count + rows - 1) / rows, threads, cancel_, [&](unsigned, std::uint64_t piece) {
    const std::uint64_t begin = piece * rows;
    const std::uint64_t taken = std::min(rows, count - begin);
    std::vector<std::byte> stored(taken * row_bytes(type, out.cols));
    expr.read_rows(first + begin, taken, stored);
    backend_.decode(type, stored.data(), out.row(begin), taken * out.cols);
    for (std::uint64_t r = begin; scaled > 0 && r < begin + taken; ++r) {
      const float scale = scales[(first + r) / scaled];
      for (std::uint64_t c = 0; c < out.cols; ++c) out.row(r)[c] *= scale;
    }
  });
  return out;
}

std::vector<float> Weights::vector_if(const std::string& name, std::uint64_t length) const {
  if (!has(name)) return {};
  Matrix found = read(name);
  if (found.values.size() != length) {
    throw Error(ErrorKind::input_invalid, "tensor '" + name + "' has " + std::to_string(found.values.size()) +
                                              " elements, but the forward pass needs " +
                                              std::to_string(length));
  }
  return std::move(found.values);
}

const Matrix& LayerWeights::read_rows(const std::string& name, std::uint64_t first, std::uint64_t count) {
  const auto [place, is_new] = kept_.try_emplace({name, first});
  if (is_new) {
    place->second = all_.read_rows(name, first, count);
    bytes_ += place->second.values.size() * sizeof(float);
  }
  return place->second;
}

void LayerWeights::give_back(const std::string& name, std::uint64_t first) {
  const auto place = kept_.find({name, first});
  if (place == kept_.end() || bytes_ <= limit_) return;
  bytes_ -= place->second.values.size() * sizeof(float);
  kept_.erase(place);
}

void LayerWeights::read_anew(const std::string& name) {
  for (auto place = kept_.lower_bound({name, 0}); place != kept_.end() && place->first.first == name; ++place)
    place->second = all_.read_rows(name, place->first.second, place->second.rows);
}

const Matrix& LayerWeights::read_if(const std::string& name) {
  static const Matrix kNone;
  return has(name) ? read(name) : kNone;
}

const std::vector<float>& LayerWeights::vector_if(const std::string& name, std::uint64_t length) {
  static const std::vector<float> kNone;
  if (!has(name)) return kNone;
  const auto [place, is_new] = kept_.try_emplace({name, 0});
  if (is_new) place->second = {1, length, all_.vector_if(name, length)};
  return place->second.values;
}

}  // namespace qtz
