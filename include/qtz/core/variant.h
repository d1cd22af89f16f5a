// std::variant whose copies may be given up for want of memory.
//
// libstdc++ takes a variant of nothing but strings, vectors and numbers for one that always holds a value,
// also while its copy constructor is left by an exception: it then destroys what was never made. (Seen with
// version 12.) Here the alternative is made in place, which libstdc++ gets right.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

namespace qtz {

template <class... Alternatives>
class Variant : public std::variant<Alternatives...> {
  using Base = std::variant<Alternatives...>;

 public:
  using Base::Base;
  Variant(const Variant& other) : Base(copy_of(other)) {}
  Variant(Variant&&) noexcept = default;
  Variant& operator=(const Variant& other) {
    Base::operator=(copy_of(other));
    return *this;
  }
  Variant& operator=(Variant&&) noexcept = default;
  ~Variant() = default;

 private:
  static Base copy_of(const Base& other) {
    return std::visit(
        [](const auto& held) { return Base(std::in_place_type<std::remove_cvref_t<decltype(held)>>, held); },
        other);
  }
};

}  // namespace qtz
