#include "gptq_modules.h"

#include <cstring>

#include "module_weights.h"
#include "qtz/core/error.h"
#include "qtz/core/text.h"

namespace qtz {
namespace {

/// Of a sample of the rows: tells inputs apart that are at the same place one after the other.
std::uint64_t fingerprint_of(const InputRows& rows) {
  constexpr std::uint64_t kStep = 61;
  std::uint64_t hash = 1469598103934665603U;
  for (std::uint64_t i = 0; i < rows.rows * rows.cols; i += kStep) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, rows.data + i, sizeof bits);
    hash = (hash ^ bits) * 1099511628211U;
  }
  return hash;
}

}  // namespace

GptqModules::GptqModules(const FolderPlan& plan, ReplaceableWeights weights, const GptqSettings& settings,
                         const Backend& backend, Done done)
    : plan_(plan),
      weights_(std::move(weights)),
      settings_(settings),
      backend_(backend),
      done_(std::move(done)),
      finished_(plan.modules.size()) {
  for (std::size_t i = 0; i < plan.modules.size(); ++i) {
    const LinearModule& module = plan.modules[i].module;
    by_input_[{module.tensor, module.expert}].push_back(i);
  }
}

bool GptqModules::add(const std::string& tensor, const InputRows& rows, std::uint64_t expert, std::uint64_t,
                      unsigned threads, const CancelToken& cancel) {
  const Input input{tensor, expert};
  if (rows.rows == 0 || by_input_.count(input) == 0) return false;
  Seen seen{rows.data, rows.rows, rows.cols, fingerprint_of(rows), nullptr};
  if (last_) seen.hessian = last_->hessian;
  const bool is_last = last_ == seen;
  std::shared_ptr<Hessian>& kept = collected_[input];
  if (is_last && kept == nullptr) {
    kept = last_->hessian;
  } else if (!is_last) {
    if (kept == nullptr) kept = std::make_shared<Hessian>(rows.cols);
    try {
      kept->add(rows.data, rows.rows, threads, cancel);
    } catch (Error& error) {
      error.add_context("what goes into '" + printable(tensor) + "'");
      throw;
    }
    seen.hessian = kept;
    last_ = seen;
  }
  if (collecting_) return false;
  const bool changed = quantize_modules(input, kept, threads, cancel);
  collected_.erase(input);
  return changed;
}

void GptqModules::quantize_collected(unsigned threads, const CancelToken& cancel) {
  collecting_ = false;
  for (const auto& [input, hessian] : collected_) quantize_modules(input, hessian, threads, cancel);
  collected_.clear();
}

const std::optional<HessianFactor>& GptqModules::factor_of(const std::shared_ptr<const Hessian>& hessian,
                                                           std::uint64_t group_size, unsigned threads,
                                                           const CancelToken& cancel) {
  if (!factored_ || factored_->hessian != hessian || factored_->group_size != group_size) {
    factored_.reset();
    const auto order = activation_order(*hessian, plan_.activation_order ? 0 : group_size);
    factored_ = {hessian, group_size,
                 factor_hessian(*hessian, order, settings_.factor, backend_, threads, cancel)};
  }
  return factored_->factor;
}

bool GptqModules::quantize_modules(const Input& input, const std::shared_ptr<const Hessian>& hessian,
                                   unsigned threads, const CancelToken& cancel) {
  if (hessian->rows() < settings_.least_tokens) return false;
  bool changed = false;
  for (const std::size_t index : by_input_.at(input)) {
    if (finished_[index]) continue;
    const auto& factor = factor_of(hessian, plan_.modules[index].scheme.group_size, threads, cancel);
    if (!factor) continue;
    remark_on(index, *factor);
    InputKnowledge inputs;
    inputs.importance = factor->importance;
    inputs.factor = factor->factor;
    inputs.hessian = factor->hessian;
    inputs.sweeps = settings_.sweeps;
    inputs.order = factor->order;
    inputs.groups_in_order = plan_.activation_order;
    quantize(index, inputs, threads, cancel);
    changed = true;
  }
  return changed;
}

void GptqModules::remark_on(std::size_t index, const HessianFactor& factor) {
  const std::string& name = plan_.modules[index].module.name;
  if (factor.damping > settings_.factor.damping) {
    remarks_.push_back(printable(name) + ": its inputs needed a damping of " + format_double(factor.damping));
  }
  if (factor.dead_inputs > 0) {
    remarks_.push_back(printable(name) + ": " + std::to_string(factor.dead_inputs) + " of " +
                       std::to_string(plan_.modules[index].module.cols()) + " inputs were always 0");
  }
}

void GptqModules::quantize(std::size_t index, const InputKnowledge& inputs, unsigned threads,
                           const CancelToken& cancel) {
  const PlannedModule& planned = plan_.modules[index];
  const TensorInfo& tensor = *planned.module.weight;
  const std::vector<float> weights = read_module_weights(*plan_.source, tensor, backend_, threads, cancel);
  const IntegerMatrix matrix = quantize_matrix(weights, planned.module.rows(), planned.module.cols(),
                                               planned.scheme, inputs, backend_, threads, cancel);
  check_scales(matrix, tensor);
  done_(index, matrix);
  finished_[index] = true;
  const auto replaceable = weights_.find(planned.module.name);
  if (replaceable != weights_.end()) replaceable->second->replace(matrix.weights());
}

void GptqModules::release() {
  last_.reset();
  factored_.reset();
  for (std::size_t i = 0; i < finished_.size(); ++i) {
    if (!finished_[i]) continue;
    const auto replaceable = weights_.find(plan_.modules[i].module.name);
    if (replaceable != weights_.end()) replaceable->second->replace({});
  }
}

void GptqModules::round_the_rest(unsigned threads, const CancelToken& cancel) {
  for (std::size_t i = 0; i < finished_.size(); ++i) {
    if (finished_[i]) continue;
    remarks_.push_back(printable(plan_.modules[i].module.name) +
                       ": too few tokens went into it; its weights are rounded to the nearest");
    quantize(i, {}, threads, cancel);
  }
}

}  // namespace qtz
