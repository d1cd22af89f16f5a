// XLM-RoBERTa: RoBERTa with a unigram vocabulary of many languages.
#include "model/arch/architectures.h"

namespace qtz::arch {

ArchSpec xlm_roberta() {
  ArchSpec spec = roberta();
  spec.classes = {"XLMRobertaModel", "XLMRobertaForSequenceClassification"};
  spec.tokenizer = xlm_roberta_tokenizer();
  return spec;
}

}  // namespace qtz::arch
