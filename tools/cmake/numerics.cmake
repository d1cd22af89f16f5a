# The promise "same bytes everywhere" starts here: no fused multiply-add may be invented by the compiler,
# and nothing may be reassociated. Applied to every target, tests included.
add_library(qtz_numerics INTERFACE)
target_compile_options(qtz_numerics INTERFACE -ffp-contract=off -fno-fast-math)
