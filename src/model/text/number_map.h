// A hash table from 64-bit numbers to 64-bit numbers, for the millions of look-ups that cutting a text takes.
// Built once, then only read. Nothing is ever ordered by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qtz {

class NumberMap {
 public:
  /// What find() gives for a key that is not there, and no key or value may be.
  static constexpr std::uint64_t kNothing = UINT64_MAX;

  NumberMap() : slots_(kFirstSlots) {}

  std::uint64_t find(std::uint64_t key) const noexcept { return slots_[place_of(key)].value; }

  /// The value of `key`, which becomes `value` if there is none.
  std::uint64_t find_or_add(std::uint64_t key, std::uint64_t value) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place_of(key)];
    if (slot.key == kNothing) {
      slot = {key, value};
      ++count_;
    }
    return slot.value;
  }

 private:
  static constexpr std::size_t kFirstSlots = 16;

  struct Slot {
    std::uint64_t key = kNothing;
    std::uint64_t value = kNothing;
  };

  /// Where `key` is or would be; the number of slots is a power of two and half of them are free.
  std::size_t place_of(std::uint64_t key) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t mixed = key * 0x9E3779B97F4A7C15U;
    mixed ^= mixed >> 32;
    std::size_t at = static_cast<std::size_t>(mixed) & mask;
    while (slots_[at].key != key && slots_[at].key != kNothing) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != kNothing) slots_[place_of(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace qtz
