#include "qtz/pipeline/importance_merge.h"

#include <algorithm>
#include <cmath>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {
namespace {

/// llama-imatrix's own, where nobody says another.
constexpr std::uint64_t kUsualChunk = 512;

constexpr const char* kOtherModel = "they are of different models, or one of them is damaged";

std::uint64_t size_for_all(const std::vector<NamedImatrix>& parts) {
  for (const NamedImatrix& part : parts) {
    if (part.matrix.chunk_size > 0) return part.matrix.chunk_size;
  }
  return kUsualChunk;
}

/// Windows to tokens, means to sums. What the reader of a .dat divides by is multiplied again.
void count_tokens(NamedImatrix& part, std::uint64_t chunk_size) {
  StoredImatrix& matrix = part.matrix;
  std::uint64_t most_calls = 0;
  for (auto& [name, entry] : matrix.entries) {
    const std::uint64_t calls = entry.counts.front();
    if (calls == 0) {
      throw Error(ErrorKind::input_invalid,
                  part.name + ": entry '" + printable(name) + "' does not say of how many windows it is",
                  "it can be used by itself, but nothing can be added to it");
    }
    most_calls = std::max(most_calls, calls);
    for (float& sum : entry.sums) sum *= static_cast<float>(chunk_size);
    entry.counts.front() = calls * chunk_size;
  }
  if (matrix.chunks == 0) matrix.chunks = most_calls;  // the oldest files do not say
  matrix.form = ImatrixForm::gguf;
}

/// One count for all matrices becomes one for each. A .dat has means of 1 for experts that nothing went into.
void spread_count(StoredSums& entry, std::size_t matrices) {
  const std::uint64_t count = entry.counts.front();
  entry.counts.assign(matrices, count);
  const std::size_t cols = entry.sums.size() / matrices;
  for (std::size_t i = 0; i < matrices; ++i) {
    const std::span<float> sums = std::span(entry.sums).subspan(i * cols, cols);
    const auto stands_in = [&](float sum) { return sum == static_cast<float>(count); };
    if (!std::all_of(sums.begin(), sums.end(), stands_in)) continue;
    std::fill(sums.begin(), sums.end(), 0.0f);
    entry.counts[i] = 0;
  }
}

void add_entry(StoredSums& to, StoredSums&& more, const std::string& subject) {
  if (to.sums.size() != more.sums.size()) {
    throw Error(ErrorKind::input_invalid,
                subject + " has " + std::to_string(more.sums.size()) + " sums, but " +
                    std::to_string(to.sums.size()) + " in what it is to be added to",
                kOtherModel);
  }
  if (to.counts.size() != more.counts.size()) {
    if (to.counts.size() != 1 && more.counts.size() != 1) {
      throw Error(ErrorKind::input_invalid,
                  subject + " has " + std::to_string(more.counts.size()) + " experts, but " +
                      std::to_string(to.counts.size()) + " in what it is to be added to",
                  kOtherModel);
    }
    StoredSums& one = to.counts.size() == 1 ? to : more;
    spread_count(one, std::max(to.counts.size(), more.counts.size()));
  }
  for (std::size_t i = 0; i < to.sums.size(); ++i) to.sums[i] += more.sums[i];
  for (std::size_t i = 0; i < to.counts.size(); ++i) to.counts[i] += more.counts[i];
  if (std::all_of(to.sums.begin(), to.sums.end(), [](float sum) { return std::isfinite(sum); })) return;
  throw Error(ErrorKind::input_invalid, subject + " has sums too large to be added up",
              "the matrix is damaged or was collected from a broken model; make it again");
}

void add_part(StoredImatrix& to, NamedImatrix&& part) {
  const bool shares = std::any_of(part.matrix.entries.begin(), part.matrix.entries.end(),
                                  [&](const auto& entry) { return to.entries.contains(entry.first); });
  if (!shares && !to.entries.empty()) {
    throw Error(ErrorKind::input_invalid,
                part.name + ": has no tensor in common with what it is to be added to", kOtherModel);
  }
  for (auto& [name, entry] : part.matrix.entries) {
    const auto [at, is_new] = to.entries.try_emplace(name);
    if (is_new) {
      at->second = std::move(entry);
    } else {
      add_entry(at->second, std::move(entry), part.name + ": tensor '" + printable(name) + "'");
    }
  }
  to.datasets.insert(to.datasets.end(), part.matrix.datasets.begin(), part.matrix.datasets.end());
  to.warnings.insert(to.warnings.end(), part.matrix.warnings.begin(), part.matrix.warnings.end());
}

std::uint64_t tokens_of(const NamedImatrix& part, std::uint64_t chunk_size) {
  if (const auto tokens = checked_mul(part.matrix.chunks, chunk_size)) return *tokens;
  throw Error(ErrorKind::input_invalid, part.name + ": claims " + std::to_string(part.matrix.chunks) +
                                            " windows of " + std::to_string(chunk_size) + " tokens");
}

}  // namespace

StoredImatrix merge_imatrices(std::vector<NamedImatrix> parts, std::uint64_t chunk_size) {
  StoredImatrix out;
  out.chunk_size = chunk_size > 0 ? chunk_size : size_for_all(parts);
  const std::string windows = "windows of " + std::to_string(out.chunk_size) + " tokens";
  std::uint64_t tokens = 0;
  for (NamedImatrix& part : parts) {
    std::uint64_t size = part.matrix.chunk_size;
    if (part.matrix.form == ImatrixForm::dat) {
      count_tokens(part, out.chunk_size);
      out.warnings.push_back(part.name + ": does not say how long its windows are; it counts as " + windows +
                             ", which --ctx changes");
    } else if (size > 0 && size != out.chunk_size) {
      out.warnings.push_back(part.name + ": has windows of " + std::to_string(size) +
                             " tokens; the result counts " + windows);
    }
    if (size == 0) size = out.chunk_size;
    const auto sum = checked_add(tokens, tokens_of(part, size));
    if (!sum) throw Error(ErrorKind::input_invalid, part.name + ": has too many windows to be counted");
    tokens = *sum;
    add_part(out, std::move(part));
  }
  out.chunks = tokens / out.chunk_size;
  return out;
}

void require_fits(const StoredImatrix& matrix, const std::string& name, const GgufModel& model) {
  bool found = false;
  for (const ModelTensor& tensor : model.tensors) {
    const auto at = matrix.entries.find(tensor.name);
    if (at == matrix.entries.end()) continue;
    found = true;
    const Shape& shape = tensor.expr->shape();
    const std::uint64_t matrices = shape.rank() > 2 ? shape.rows() / shape[shape.rank() - 2] : 1;
    const std::size_t counts = at->second.counts.size();
    if (at->second.sums.size() == matrices * shape.cols() && (counts == 1 || counts == matrices)) continue;
    throw Error(ErrorKind::input_invalid,
                name + ": tensor '" + printable(tensor.name) + "' has " +
                    std::to_string(at->second.sums.size()) + " sums and " + std::to_string(counts) +
                    " counts, but the model's has the shape " + shape.to_string(),
                "the importance matrix is of another model");
  }
  if (found) return;
  throw Error(ErrorKind::input_invalid,
              name + ": the importance matrix is of another model: it has no entry for any of its tensors");
}

}  // namespace qtz
